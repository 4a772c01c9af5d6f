//! The one list of layers and operations a graph file can use.

use crate::fields::{Field, Kind, Range, SIZE, Section};
use crate::read::Record;
use graphc_ir::graph::NodeId;
use graphc_ir::graph::builder::{Activation, BuildResult, Convolution, Dense, GraphBuilder, Pool};
use graphc_ir::ops::{
    Add, Argmax, Broadcast, Constant, Div, Equal, Exp, Log, MatMul, Mul, Neg, OneHot, ReduceMax, ReduceMean, ReduceSum,
    ReduceVariance, Reshape, Sqrt, Sub, Transpose,
};

/// An op of the graph file.
#[derive(Debug)]
pub(crate) struct NodeOp {
    pub(crate) section: Section,
    /// Number of inputs.
    pub(crate) n_inputs: usize,
    /// Adds the node; `None` only if a field is missing from the record, which has been reported.
    pub(crate) build: fn(&mut NodeCx<'_>) -> Option<BuildResult>,
}

/// One node to be built.
pub(crate) struct NodeCx<'a> {
    pub(crate) builder: &'a mut GraphBuilder,
    pub(crate) name: &'a str,
    pub(crate) record: &'a Record<'a>,
    pub(crate) inputs: &'a [NodeId],
    /// Position in the file.
    pub(crate) position: usize,
}

impl NodeCx<'_> {
    fn op(&mut self, op: impl Into<graphc_ir::Op>) -> Option<BuildResult> {
        Some(self.builder.op(self.name, op, self.inputs))
    }

    fn activate(&mut self, activation: Activation) -> Option<BuildResult> {
        Some(self.builder.activation(self.name, self.inputs[0], activation))
    }

    fn activation_field(&self) -> Option<Activation> {
        self.record.text("activation").and_then(|name| Activation::from_name(&name))
    }

    fn pool_fields(&self) -> Option<Pool> {
        let pool = self.record.pair("pool")?;
        let strides = self.record.pair("strides").unwrap_or(pool);
        Some(Pool { pool, strides, padding: self.record.padding("padding")? })
    }
}

const fn op(
    name: &'static str,
    n_inputs: usize,
    doc: &'static str,
    fields: &'static [Field],
    build: fn(&mut NodeCx<'_>) -> Option<BuildResult>,
) -> NodeOp {
    NodeOp { section: Section { name, doc, fields }, n_inputs, build }
}

const ACTIVATIONS: &[&str] = &["relu", "sigmoid", "tanh", "softmax", "log_softmax"];
const ACTIVATION: Field = Field::optional(
    "activation",
    Kind::Choice(ACTIVATIONS),
    "none",
    "Applied to the result; short for a node of its own.",
);
const USE_BIAS: Field = Field::or("use_bias", Kind::Bool, "true", "Whether a bias is added.");
const PADDING: Field = Field::or("padding", Kind::Padding, "\"valid\"", "What is added around the image.");

const POOL: &[Field] = &[
    Field::required("pool", Kind::Pair, "Height and width of a window."),
    Field::optional("strides", Kind::Pair, "`pool`", "Steps along height and width."),
    Field { doc: "What is added around the image, less than a window.", ..PADDING },
];

const REDUCTION: &[Field] = &[
    Field::required("axes", Kind::Axes, "Reduced dimensions, ascending, at least one."),
    Field::or("keep_dims", Kind::Bool, "false", "Whether they stay, with size 1."),
];

const TARGET_SHAPE: &[Field] = &[Field::required("shape", Kind::Shape, "The new shape.")];

macro_rules! reduction {
    ($name:literal, $op:ident, $doc:literal) => {
        op($name, 1, $doc, REDUCTION, |cx| {
            cx.op($op { axes: cx.record.axes("axes")?, keep_dims: cx.record.bool("keep_dims")? })
        })
    };
}

/// Layers first, then tensor operations.
pub(crate) static NODE_OPS: &[NodeOp] = &[
    op(
        "dense",
        1,
        "Fully connected layer: `activation(x * kernel + bias)`; kernel (in, out).",
        &[Field::required("units", SIZE, "Number of outputs."), USE_BIAS, ACTIVATION],
        |cx| {
            let layer = Dense {
                units: cx.record.size("units")?,
                use_bias: cx.record.bool("use_bias")?,
                activation: cx.activation_field(),
            };
            Some(cx.builder.dense(cx.name, cx.inputs[0], &layer))
        },
    ),
    op(
        "conv2d",
        1,
        "Convolution of NHWC images: `activation(conv2d(x, kernel) + bias)`; kernel HWIO.",
        &[
            Field::required("filters", SIZE, "Number of output channels."),
            Field::required("kernel", Kind::Pair, "Height and width of the kernel."),
            Field::or("strides", Kind::Pair, "1", "Steps along height and width."),
            PADDING,
            USE_BIAS,
            ACTIVATION,
        ],
        |cx| {
            let layer = Convolution {
                filters: cx.record.size("filters")?,
                kernel: cx.record.pair("kernel")?,
                strides: cx.record.pair("strides")?,
                padding: cx.record.padding("padding")?,
                use_bias: cx.record.bool("use_bias")?,
                activation: cx.activation_field(),
            };
            Some(cx.builder.conv2d(cx.name, cx.inputs[0], &layer))
        },
    ),
    op(
        "batch_norm",
        1,
        "Batch normalisation over every dimension but the last: batch statistics in training, moving averages in inference.",
        &[
            Field::or(
                "momentum",
                Kind::Number(Range::Fraction),
                "0.99",
                "Share of the old moving average that is kept.",
            ),
            Field::or("epsilon", Kind::Number(Range::Positive), "0.001", "Added to the variance."),
        ],
        |cx| {
            let (momentum, epsilon) = (cx.record.number("momentum")?, cx.record.number("epsilon")?);
            Some(cx.builder.batch_norm(cx.name, cx.inputs[0], momentum, epsilon))
        },
    ),
    op(
        "dropout",
        1,
        "Zeroes elements at random in training and scales the others up; does nothing in inference.",
        &[
            Field::required("rate", Kind::Number(Range::Fraction), "Share of the elements that are zeroed."),
            Field::optional(
                "seed",
                Kind::Int { min: 0, max: i64::MAX },
                "the node's position in the file, counted from 0",
                "Seed of the mask.",
            ),
        ],
        |cx| {
            let seed = cx.record.int("seed").unwrap_or(cx.position as i64);
            Some(cx.builder.dropout(cx.name, cx.inputs[0], cx.record.number("rate")?, seed))
        },
    ),
    op("relu", 1, "`max(x, 0)`.", &[], |cx| cx.activate(Activation::Relu)),
    op("sigmoid", 1, "`1 / (1 + exp(-x))`.", &[], |cx| cx.activate(Activation::Sigmoid)),
    op("tanh", 1, "Hyperbolic tangent.", &[], |cx| cx.activate(Activation::Tanh)),
    op("softmax", 1, "Softmax over the last dimension.", &[], |cx| cx.activate(Activation::Softmax)),
    op("log_softmax", 1, "Logarithm of the softmax over the last dimension.", &[], |cx| {
        cx.activate(Activation::LogSoftmax)
    }),
    op("avg_pool2d", 1, "Means of windows of NHWC images; padding is left out of them.", POOL, |cx| {
        let pool = cx.pool_fields()?;
        Some(cx.builder.avg_pool2d(cx.name, cx.inputs[0], &pool))
    }),
    op("max_pool2d", 1, "Maxima of windows of NHWC images.", POOL, |cx| {
        let pool = cx.pool_fields()?;
        Some(cx.builder.max_pool2d(cx.name, cx.inputs[0], &pool))
    }),
    op("flatten", 1, "All dimensions but the batch in one, in NHWC order.", &[], |cx| {
        Some(cx.builder.flatten(cx.name, cx.inputs[0]))
    }),
    op("reshape", 1, "The same elements under another shape; `\"N\"` stays first.", TARGET_SHAPE, |cx| {
        cx.op(Reshape { shape: cx.record.shape("shape")? })
    }),
    op("broadcast", 1, "NumPy broadcasting to a given shape.", TARGET_SHAPE, |cx| {
        cx.op(Broadcast { shape: cx.record.shape("shape")? })
    }),
    op(
        "transpose",
        1,
        "Dimensions in another order.",
        &[Field::required("perm", Kind::Axes, "Which dimension of the input each dimension of the result is.")],
        |cx| cx.op(Transpose { perm: cx.record.axes("perm")? }),
    ),
    op("add", 2, "`a + b`, with NumPy broadcasting.", &[], |cx| cx.op(Add {})),
    op("sub", 2, "`a - b`, with NumPy broadcasting.", &[], |cx| cx.op(Sub {})),
    op("mul", 2, "`a * b`, with NumPy broadcasting.", &[], |cx| cx.op(Mul {})),
    op("div", 2, "`a / b`, with NumPy broadcasting.", &[], |cx| cx.op(Div {})),
    op("neg", 1, "`-x`.", &[], |cx| cx.op(Neg {})),
    op("exp", 1, "Exponential function.", &[], |cx| cx.op(Exp {})),
    op("log", 1, "Natural logarithm.", &[], |cx| cx.op(Log {})),
    op("sqrt", 1, "Square root.", &[], |cx| cx.op(Sqrt {})),
    op(
        "matmul",
        2,
        "Product of two matrices.",
        &[
            Field::or("transpose_a", Kind::Bool, "false", "Whether the first is transposed."),
            Field::or("transpose_b", Kind::Bool, "false", "Whether the second is transposed."),
        ],
        |cx| {
            let (transpose_a, transpose_b) = (cx.record.bool("transpose_a")?, cx.record.bool("transpose_b")?);
            cx.op(MatMul { transpose_a, transpose_b })
        },
    ),
    reduction!("reduce_sum", ReduceSum, "Sum over dimensions."),
    reduction!("reduce_mean", ReduceMean, "Mean over dimensions."),
    reduction!("reduce_max", ReduceMax, "Maximum over dimensions."),
    reduction!("reduce_variance", ReduceVariance, "Population variance over dimensions."),
    op(
        "argmax",
        1,
        "Position of the first maximum along a dimension (`i32`).",
        &[Field::required("axis", Kind::Int { min: 0, max: i32::MAX as i64 }, "The dimension; not the batch.")],
        |cx| cx.op(Argmax { axis: cx.record.size("axis")? }),
    ),
    op(
        "one_hot",
        1,
        "1 at the class number, 0 elsewhere, in a new last dimension.",
        &[Field::required("depth", SIZE, "Number of classes.")],
        |cx| cx.op(OneHot { depth: cx.record.size("depth")? }),
    ),
    op("equal", 2, "1 where both are equal, otherwise 0.", &[], |cx| cx.op(Equal {})),
    op(
        "constant",
        0,
        "Every element the same value.",
        &[
            Field::required("value", Kind::Number(Range::Any), "The value."),
            Field::or("shape", Kind::Shape, "[]", "The shape; `[]` is a scalar."),
        ],
        |cx| cx.op(Constant { value: cx.record.number("value")?, shape: cx.record.shape("shape")? }),
    ),
];
