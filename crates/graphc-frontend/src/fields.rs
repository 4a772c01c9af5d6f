//! Field tables: what an object of the graph file may contain. Those of `data` are in `data_fields`.
//!
//! One table per section and op says name, kind, default and meaning of every field. Reading
//! ([`crate::read`]), the JSON Schema ([`crate::schema`]) and the reference in
//! `docs/graph-file.md` ([`crate::reference`]) all follow from it.

use crate::data_fields::DATA;
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
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// A list of numbers in a range, at least one.
    Numbers(Range),
    /// A list of metrics.
    Metrics,
    /// An object with these fields.
    Object(&'static Section),
    /// An object one of whose fields chooses one of several tables.
    OneOf(&'static Variants),
    /// An object from names to objects with these fields.
    Map(&'static Section),
    /// An object from input names to file names.
    Files,
    /// The name of a file or folder.
    Path,
    /// The name of a file, or a list of names.
    Paths,
    /// An object from input names to columns of a table.
    Columns,
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
    /// From 0 to that number, both included.
    UpTo(f64),
}

impl Range {
    /// What stands behind "a number".
    pub(crate) fn in_words(self) -> String {
        match self {
            Range::Any => String::new(),
            Range::Positive => " greater than 0".into(),
            Range::NotNegative => " of at least 0".into(),
            Range::Fraction => " of at least 0 and less than 1".into(),
            Range::UpTo(most) => format!(" from 0 to {most}"),
        }
    }

    pub(crate) fn contains(self, value: f64) -> bool {
        match self {
            Range::Any => true,
            Range::Positive => value > 0.0,
            Range::NotNegative => value >= 0.0,
            Range::Fraction => (0.0..1.0).contains(&value),
            Range::UpTo(most) => (0.0..=most).contains(&value),
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
    /// What tells the table where that field is not there, if something does.
    pub(crate) otherwise: Option<&'static str>,
    pub(crate) sections: &'static [Section],
}

impl Variants {
    /// The field that chooses the table, which each of them has besides its own.
    pub(crate) const fn tag_field(&self) -> Field {
        match self.otherwise {
            Some(otherwise) => Field::optional(self.tag, Kind::Text, otherwise, "Which one."),
            None => Field::required(self.tag, Kind::Text, "Which one."),
        }
    }
}

/// An integer that is a size.
pub(crate) const SIZE: Kind = Kind::Int { min: 1, max: i32::MAX as i64 };

pub(crate) const SEED: Kind = Kind::Int { min: 0, max: i64::MAX };

/// A number of samples to make up. More than this many would be a slip, not a wish.
pub(crate) const SAMPLES: Kind = Kind::Int { min: 1, max: 10_000_000 };

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
        Field::or("metrics", Kind::Metrics, "[]", "What else is reported."),
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
pub(crate) static LOSSES: Variants = Variants { name: "loss", tag: "op", otherwise: None, sections: LOSS_SECTIONS };

const LOSS_SECTIONS: &[Section] = &[
    Section {
        name: "categorical_crossentropy",
        doc: "Mean over the batch of `-log(probability of the class)`; the target holds class numbers (`i32`, shape `[\"N\"]`). Or, with a \
              target of the prediction's shape, of `-sum(target * log(prediction))`: shares of the classes, for smoothed or mixed labels. A \
              prediction after `softmax` or `sigmoid` is computed without the detour over its exponentials.",
        fields: &[PREDICTION, TARGET, WEIGHTS, CLASS_WEIGHTS],
    },
    Section {
        name: "binary_crossentropy",
        doc: "Mean of `-log(p)` where the target is 1 and of `-log(1 - p)` where it is 0, of a prediction `p` between 0 and 1, in general \
              after `sigmoid`; the target is `f32` and has the prediction's shape. Numbers between 0 and 1 are shares of both.",
        fields: &[PREDICTION, TARGET, WEIGHTS, CLASS_WEIGHTS],
    },
    Section {
        name: "mean_squared_error",
        doc: "Mean of the squared differences; the target has the prediction's shape.",
        fields: &[PREDICTION, TARGET, WEIGHTS],
    },
    Section {
        name: "mean_absolute_error",
        doc: "Mean of the absolute differences, which outliers move less; the target has the prediction's shape.",
        fields: &[PREDICTION, TARGET, WEIGHTS],
    },
    Section {
        name: "huber",
        doc: "Mean of `d^2 / 2` for differences `d` of at most `delta`, else of `delta * (|d| - delta / 2)`; the target has the prediction's \
              shape.",
        fields: &[
            PREDICTION,
            TARGET,
            WEIGHTS,
            Field::or(
                "delta",
                Kind::Number(Range::Positive),
                "1.0",
                "The difference from which on the loss is a line.",
            ),
        ],
    },
];

const PREDICTION: Field =
    Field::required("prediction", Kind::NodeName, "The node that is compared; also an output of that name.");
const TARGET: Field = Field::required("target", Kind::InputName, "The input it is compared with.");
const WEIGHTS: Field = Field::optional(
    "weights",
    Kind::InputName,
    "every sample counts alike",
    "An input (`f32`, shape `[\"N\"]`) by which every sample's part of the loss is multiplied; the sum is divided by the batch size.",
);
const CLASS_WEIGHTS: Field = Field::optional(
    "class_weights",
    Kind::Numbers(Range::NotNegative),
    "every class counts alike",
    "A weight for each class (of a binary cross-entropy for no and for yes), by which a sample's part of the loss is multiplied in training, not in \
     validation and test.",
);

/// The optimizers.
pub(crate) static OPTIMIZERS: Variants =
    Variants { name: "optimizer", tag: "op", otherwise: None, sections: OPTIMIZER_SECTIONS };

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
