//! Field tables: what an object of the graph file may contain. Those of `data` are in `data_fields`, optimizers in
//! `optimizer`.
//!
//! One table per section and op says name, kind, default and meaning of every field. Reading
//! ([`crate::read`]), the JSON Schema ([`crate::schema`]) and the reference in
//! `docs/graph-file.md` ([`crate::reference`]) all follow from it.

use crate::data_fields::DATA;
use crate::field::{Field, Kind, Range, SEED, SIZE, Section, Variants};
use crate::optimizer::OPTIMIZERS;
use crate::parameters::PARAMETERS;
use crate::training::{EARLY_STOPPING, EMA, SCHEDULES};
use graphc_ir::ops::Algorithm;
use graphc_ir::optimizers::MAX_ACCUMULATED;

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
        Field::or(
            "parameters",
            Kind::Entries(&PARAMETERS),
            "[]",
            "Which parameters are not trained, or otherwise than the others, by patterns of their names.",
        ),
        Field::or(
            "algorithm",
            Kind::Choice(Algorithm::NAMES),
            "\"direct\"",
            "How convolutions are computed that do not say so themselves, where that is possible and they have at least 16 channels and filters; \
             the others are direct.",
        ),
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
        Field::or("dtype", Kind::DType, "\"f32\"", "Its element type; class numbers are `i32`."),
    ],
};

/// The losses.
pub(crate) static LOSSES: Variants = Variants { name: "loss", tag: "op", otherwise: None, sections: || LOSS_SECTIONS };

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
        Field::or(
            "accumulate",
            Kind::Int { min: 1, max: MAX_ACCUMULATED as i64 },
            "1",
            "Batches whose gradients are averaged before one update, over the ends of epochs too: as if a batch had so many times the samples, \
             where nothing else looks at the whole batch, as `batch_norm` does.",
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
        Field::or(
            "trainable",
            Kind::Bool,
            "true",
            "Whether its parameters are trained, if it has any. `parameters` of the file says it of single ones.",
        ),
    ],
};
