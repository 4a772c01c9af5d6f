//! Field tables: what an object of the graph file may contain.
//!
//! One table per section and op says name, kind, default and meaning of every field. Reading
//! ([`crate::read`]), the JSON Schema ([`crate::schema`]) and the reference in
//! `docs/graph-file.md` ([`crate::reference`]) all follow from it.

use crate::training::{EARLY_STOPPING, EMA, SCHEDULES};

/// What a field accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Any string.
    Text,
    /// The name of the network: text that can be shown.
    Title,
    /// A name: letters, digits and `_`, not starting with a digit.
    Name,
    /// The name of an input.
    InputName,
    /// The name of a node.
    NodeName,
    /// The name of an input or node, or a list of such names.
    References,
    /// An integer in a range.
    Int { min: i64, max: i64 },
    /// A number in a range.
    Number(Range),
    /// `true` or `false`.
    Bool,
    /// A size of at least 1, or a list of two: height and width.
    Pair,
    /// `"valid"`, `"same"`, a number of zeros, or a list of four: top, bottom, left, right.
    Padding,
    /// A list of sizes, in which `"N"` may stand first.
    Shape,
    /// A list of dimension numbers.
    Axes,
    /// A list of sizes of at least 1, each greater than the one before.
    Ascending,
    /// A list of numbers in a range.
    Numbers(Range),
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// A list of these strings.
    Choices(&'static [&'static str]),
    /// An object with these fields.
    Object(&'static Section),
    /// An object one of whose fields chooses one of several tables.
    OneOf(&'static Variants),
    /// An object from names to objects with these fields.
    Map(&'static Section),
    /// An object from input names to file names.
    Files,
    /// The list of nodes.
    Nodes,
}

/// Range of a number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Range {
    Any,
    Positive,
    NotNegative,
    /// 0 included, 1 excluded.
    Fraction,
}

impl Range {
    pub(crate) fn contains(self, value: f64) -> bool {
        match self {
            Range::Any => true,
            Range::Positive => value > 0.0,
            Range::NotNegative => value >= 0.0,
            Range::Fraction => (0.0..1.0).contains(&value),
        }
    }
}

/// What holds if a field is not there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Default {
    /// It must be there.
    Required,
    /// This JSON value.
    Json(&'static str),
    /// Something that is not a fixed value, in words.
    Absent(&'static str),
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: Default,
    pub(crate) doc: &'static str,
}

impl Field {
    pub(crate) const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Field {
        Field { name, kind, default: Default::Required, doc }
    }

    /// A field with a default, given as JSON.
    pub(crate) const fn or(name: &'static str, kind: Kind, json: &'static str, doc: &'static str) -> Field {
        Field { name, kind, default: Default::Json(json), doc }
    }

    /// A field that may be left out; `otherwise` says what holds then.
    pub(crate) const fn optional(name: &'static str, kind: Kind, otherwise: &'static str, doc: &'static str) -> Field {
        Field { name, kind, default: Default::Absent(otherwise), doc }
    }
}

/// The fields of one kind of object.
#[derive(Debug)]
pub(crate) struct Section {
    /// Name in messages and in the reference; for an op its mnemonic.
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) fields: &'static [Field],
}

/// Objects of several kinds, told apart by the string in one field.
#[derive(Debug)]
pub(crate) struct Variants {
    /// Name in messages.
    pub(crate) name: &'static str,
    /// The field that holds the name of a table.
    pub(crate) tag: &'static str,
    pub(crate) sections: &'static [Section],
}

impl Variants {
    /// The field that chooses the table, which each of them has besides its own.
    pub(crate) const fn tag_field(&self) -> Field {
        Field::required(self.tag, Kind::Text, "Which one.")
    }
}

/// An integer that is a size.
pub(crate) const SIZE: Kind = Kind::Int { min: 1, max: i32::MAX as i64 };

const SEED: Kind = Kind::Int { min: 0, max: i64::MAX };

/// A number of samples to make up. More than this many would be a slip, not a wish.
const SAMPLES: Kind = Kind::Int { min: 1, max: 10_000_000 };

/// The whole file.
pub(crate) static FILE: Section = Section {
    name: "graph file",
    doc: "One file says the whole experiment. File names in it are relative to the file.",
    fields: &[
        Field::optional("$schema", Kind::Text, "none", "Where editors find the JSON Schema; not read by graphc."),
        Field::required("graphc", Kind::Int { min: 1, max: 1 }, "Version of the format."),
        Field::or("name", Kind::Title, "\"network\"", "Name of the network."),
        Field::required("inputs", Kind::Map(&INPUT), "The tensors given at every step, by name."),
        Field::required("nodes", Kind::Nodes, "The layers and operations."),
        Field::required("loss", Kind::OneOf(&LOSSES), "What is minimised; the output `loss`."),
        Field::or("metrics", Kind::Choices(&["accuracy"]), "[]", "What else is reported."),
        Field::or("optimizer", Kind::OneOf(&OPTIMIZERS), "{ \"op\": \"adam\" }", "How parameters are updated."),
        Field::or("train", Kind::Object(&TRAIN), "{}", "How the training runs."),
        Field::optional("data", Kind::OneOf(&DATA), "there is nothing to train on", "Where the data comes from."),
    ],
};

/// One entry of `inputs`.
pub(crate) static INPUT: Section = Section {
    name: "input",
    doc: "A tensor given at every step. The first dimension of its shape is the batch, `\"N\"`.",
    fields: &[
        Field::required("shape", Kind::Shape, "Its shape, `\"N\"` first."),
        Field::or("dtype", Kind::Choice(&["f32", "i32"]), "\"f32\"", "Its element type; class numbers are `i32`."),
    ],
};

/// The losses.
pub(crate) static LOSSES: Variants = Variants { name: "loss", tag: "op", sections: LOSS_SECTIONS };

const LOSS_SECTIONS: &[Section] = &[
    Section {
        name: "categorical_crossentropy",
        doc: "Mean over the batch of `-log(probability of the class)`; the target holds class numbers (`i32`, shape `[\"N\"]`).",
        fields: LOSS_FIELDS,
    },
    Section {
        name: "mean_squared_error",
        doc: "Mean of the squared differences; the target has the prediction's shape.",
        fields: LOSS_FIELDS,
    },
];

const LOSS_FIELDS: &[Field] = &[
    Field::required("prediction", Kind::NodeName, "The node that is compared; also an output of that name."),
    Field::required("target", Kind::InputName, "The input it is compared with."),
];

/// The optimizers.
pub(crate) static OPTIMIZERS: Variants = Variants { name: "optimizer", tag: "op", sections: OPTIMIZER_SECTIONS };

const OPTIMIZER_SECTIONS: &[Section] = &[
    Section {
        name: "sgd",
        doc: "Gradient descent: `v = momentum * v - learning_rate * g`, `p = p + v`.",
        fields: &[
            Field::or("learning_rate", Kind::Number(Range::NotNegative), "0.01", "Size of a step."),
            Field::or("momentum", Kind::Number(Range::Fraction), "0.0", "Share of the last step that is kept."),
            Field::or(
                "nesterov",
                Kind::Bool,
                "false",
                "Nesterov's variant: `p = p + momentum * v - learning_rate * g`.",
            ),
        ],
    },
    Section {
        name: "adam",
        doc: "Adam, with epsilon outside the root and the bias correction in the step size.",
        fields: &[
            Field::or("learning_rate", Kind::Number(Range::NotNegative), "0.001", "Size of a step."),
            Field::or("beta1", Kind::Number(Range::Fraction), "0.9", "Decay of the first moment."),
            Field::or("beta2", Kind::Number(Range::Fraction), "0.999", "Decay of the second moment."),
            Field::or("epsilon", Kind::Number(Range::Positive), "1e-7", "Added to the root of the second moment."),
        ],
    },
    Section {
        name: "adamw",
        doc: "Adam with decoupled weight decay: `p` is first multiplied by `1 - learning_rate * weight_decay`.",
        fields: &[
            Field::or("learning_rate", Kind::Number(Range::NotNegative), "0.001", "Size of a step."),
            Field::or("beta1", Kind::Number(Range::Fraction), "0.9", "Decay of the first moment."),
            Field::or("beta2", Kind::Number(Range::Fraction), "0.999", "Decay of the second moment."),
            Field::or("epsilon", Kind::Number(Range::Positive), "1e-7", "Added to the root of the second moment."),
            Field::or("weight_decay", Kind::Number(Range::NotNegative), "0.004", "Weight decay."),
        ],
    },
];

/// `train`.
pub(crate) static TRAIN: Section = Section {
    name: "train",
    doc: "How the training runs.",
    fields: &[
        Field::or("epochs", SIZE, "10", "Passes over the training data."),
        Field::or("batch_size", SIZE, "64", "Samples per step; what remains at the end of an epoch is a smaller step."),
        Field::or(
            "validation_split",
            Kind::Number(Range::Fraction),
            "0.0",
            "Share of the training data, from its end, that is not trained on but measured after every epoch.",
        ),
        Field::or("shuffle", Kind::Bool, "true", "Whether every epoch takes the samples in another order."),
        Field::or("seed", SEED, "1", "Seed of the initial weights and of the shuffling."),
        Field::or("schedule", Kind::OneOf(&SCHEDULES), "{ \"op\": \"constant\" }", "How the learning rate changes."),
        Field::optional(
            "ema",
            Kind::Object(&EMA),
            "no averages",
            "Averages of the weights (exponential moving average).",
        ),
        Field::optional(
            "early_stopping",
            Kind::Object(&EARLY_STOPPING),
            "all epochs",
            "When to stop before the last epoch.",
        ),
        Field::or(
            "keep",
            Kind::Choice(&["last", "best"]),
            "\"last\"",
            "Which weights `model.safetensors` has in the end: the last epoch's, or those of the epoch that was best by the \
             `monitor` of `early_stopping`, or else by `val_loss`, or by `loss` if nothing is validated. With `\"best\"` the last \
             ones are in `last.safetensors`.",
        ),
    ],
};

/// `data`, by its format.
pub(crate) static DATA: Variants = Variants { name: "data", tag: "format", sections: DATA_SECTIONS };

const DATA_SECTIONS: &[Section] = &[
    Section {
        name: "idx",
        doc: "Files in the format of MNIST, which may be compressed with gzip.",
        fields: &[
            Field::or(
                "scale",
                Kind::Number(Range::Any),
                "1.0",
                "Factor on the values of `f32` inputs but the target, such as 1/255 for pixels.",
            ),
            Field::required("train", Kind::Files, "Training data: a file for every input."),
            Field::optional("test", Kind::Files, "no test after the training", "Test data: a file for every input."),
        ],
    },
    Section {
        name: "synthetic",
        doc: "Random samples in the shapes of the inputs, for a network that no data set is at hand for. Every class has a \
              random prototype of each `f32` input (of an image, a grid of patches); a sample is the mean of its class's \
              prototype and of noise, in bytes as pixels are. `i32` inputs are the class's number, below 256. If the target \
              has no classes, samples are of ten kinds, so a regression has something to learn too.",
        fields: &[
            Field::required("samples", SAMPLES, "Number of training samples."),
            Field::optional("test_samples", SAMPLES, "no test after the training", "Number of test samples."),
            Field::or("scale", Kind::Number(Range::Any), "0.00392156862745098", "Factor on the bytes of `f32` inputs."),
            Field::or(
                "seed",
                SEED,
                "1",
                "Seed of prototypes, classes and noise; that of `train` does not change them.",
            ),
        ],
    },
];

/// What every node has besides the fields of its op.
pub(crate) static NODE: Section = Section {
    name: "node",
    doc: "One layer or operation.",
    fields: &[
        Field::required("name", Kind::Name, "Its name; parameters are called `<name>.kernel` and so on."),
        Field::required("op", Kind::Text, "Which layer or operation it is."),
        Field::optional("inputs", Kind::References, "the node before it", "What it reads: one name or a list."),
    ],
};
