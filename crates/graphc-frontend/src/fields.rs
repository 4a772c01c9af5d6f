//! Field tables: what an object of the graph file may contain. Those of `data` are in `data_fields`, optimizers in
//! `optimizer`.
//!
//! One table per section and op says name, kind, default and meaning of every field. Reading
//! ([`crate::read`]), the JSON Schema ([`crate::schema`]) and the reference in
//! `docs/graph-file.md` ([`crate::reference`]) all follow from it.

use crate::data_fields::DATA;
use crate::field::{Field, Kind, Range, SEED, SIZE, Section};
use crate::loss_fields::LOSSES;
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
        Field::or(
            "sizes",
            Kind::SizesByName,
            "{}",
            "Names of sizes: \"T\" in the shape of an input, `$T` in the fields of nodes. `--size T=128` takes another for a command.",
        ),
        Field::optional(
            "blocks",
            Kind::Map(&BLOCK),
            "no blocks",
            "Parts of the network that are used many times, by name.",
        ),
        Field::required("nodes", Kind::Nodes, "The layers and operations, and uses of blocks."),
        Field::required(
            "loss",
            Kind::OneOrMore(&LOSSES),
            "What is minimised; the output `loss`. A list is several losses, whose sum is minimised, each times its `weight`.",
        ),
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
        Field::required("shape", Kind::InputShape, "Its shape, `\"N\"` first."),
        Field::or("dtype", Kind::DType, "\"f32\"", "Its element type; class numbers are `i32`."),
    ],
};

/// One entry of `blocks`.
pub(crate) static BLOCK: Section = Section {
    name: "block",
    doc: "A part of the network, written once and used many times. Its nodes read its inputs and each other, nothing else.",
    fields: &[
        Field::or(
            "arguments",
            Kind::Arguments,
            "{}",
            "What may differ from use to use, with what it is unless given; `null` for what must be given. In the nodes, `$name` is its value.",
        ),
        Field::or("inputs", Kind::Names, "\"x\"", "What its nodes call what it reads: one name or a list."),
        Field::required("nodes", Kind::Nodes, "Its layers and operations, and uses of other blocks."),
        Field::optional(
            "outputs",
            Kind::References,
            "the last node",
            "The node that is its result, or a list of nodes.",
        ),
    ],
};

/// A node that is a use of a block. What else it has are the arguments of the block.
pub(crate) static USE: Section = Section {
    name: "use",
    doc: "All nodes of a block, called `<name>.<node>`. Its other fields are the arguments of the block.",
    fields: &[
        Field::required("name", Kind::Name, "Its name, which is also that of its result."),
        Field::required("block", Kind::Text, "Which block it is."),
        Field::optional("inputs", Kind::References, "the node before it", "What the block reads: one name or a list."),
        Field::optional(
            "repeat",
            SIZE,
            "one copy",
            "A number of copies, called `<name>.0`, `<name>.1` and so on. Each reads the results of the one before, the first of its inputs \
             first, and otherwise what the first one reads.",
        ),
        SHARES,
    ],
};

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
        SHARES,
        Field::or(
            "trainable",
            Kind::Bool,
            "true",
            "Whether its parameters are trained, if it has any. `parameters` of the file says it of single ones.",
        ),
    ],
};

const SHARES: Field = Field::optional(
    "shares",
    Kind::NodeName,
    "parameters of its own",
    "A node like it, or a use of the same block, whose parameters it has.",
);
