//! The one list of layers and operations a graph file can use.

use crate::field::{Field, Kind, Range, SIZE, Section};
use crate::read::Record;
use graphc_ir::DType;
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
    /// What the op is for and how it is written, in `docs/guide/ops.md`.
    pub(crate) example: Example,
    /// Adds the node; `None` only if a field is missing from the record, which has been reported.
    pub(crate) build: fn(&mut NodeCx<'_>) -> Option<BuildResult>,
}

/// A node of the op, which the frontend reads when the guide is made.
#[derive(Debug)]
pub(crate) struct Example {
    /// What one takes the op for.
    pub(crate) purpose: &'static str,
    /// What the node reads.
    pub(crate) inputs: &'static [Given],
    /// The node as JSON.
    pub(crate) node: &'static str,
}

/// An input of an example: its name, element type and sizes behind the batch.
pub(crate) type Given = (&'static str, DType, &'static [usize]);

impl NodeOp {
    /// Number of inputs, of the example as of every node.
    pub(crate) fn n_inputs(&self) -> usize {
        self.example.inputs.len()
    }
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

    /// The fields of a convolution in a single group; `filters` is the field with their number.
    fn convolution_fields(&self, filters: &'static str) -> Option<Convolution> {
        Some(Convolution {
            filters: self.record.size(filters)?,
            kernel: self.record.pair("kernel")?,
            strides: self.record.pair("strides")?,
            padding: self.record.padding("padding")?,
            dilation: self.record.pair("dilation")?,
            groups: 1,
            use_bias: self.record.bool("use_bias")?,
            activation: self.activation_field(),
        })
    }

    fn pool_fields(&self) -> Option<Pool> {
        let pool = self.record.pair("pool")?;
        let strides = self.record.pair("strides").unwrap_or(pool);
        Some(Pool { pool, strides, padding: self.record.padding("padding")? })
    }
}

const fn op(
    name: &'static str,
    doc: &'static str,
    fields: &'static [Field],
    example: Example,
    build: fn(&mut NodeCx<'_>) -> Option<BuildResult>,
) -> NodeOp {
    NodeOp { section: Section { name, doc, fields }, example, build }
}

const fn example(purpose: &'static str, inputs: &'static [Given], node: &'static str) -> Example {
    Example { purpose, inputs, node }
}

const IMAGE: Given = ("image", DType::F32, &[28, 28, 1]);
const FEATURES: Given = ("x", DType::F32, &[8]);
const OTHER: Given = ("y", DType::F32, &[8]);
const MAPS: Given = ("maps", DType::F32, &[24, 24, 6]);

const ACTIVATIONS: &[&str] = &["relu", "sigmoid", "tanh", "softmax", "log_softmax"];
const ACTIVATION: Field = Field::optional(
    "activation",
    Kind::Choice(ACTIVATIONS),
    "none",
    "Applied to the result; short for a node of its own.",
);
const USE_BIAS: Field = Field::or("use_bias", Kind::Bool, "true", "Whether a bias is added.");
const PADDING: Field = Field::or("padding", Kind::Padding, "\"valid\"", "What is added around the image.");
const STRIDES: Field = Field::or("strides", Kind::Pair, "1", "Steps along height and width.");
const DILATION: Field =
    Field::or("dilation", Kind::Pair, "1", "Pixels from one tap of the kernel to the next; Keras's `dilation_rate`.");

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
    ($name:literal, $op:ident, $doc:literal, $example:expr) => {
        op($name, $doc, REDUCTION, $example, |cx| {
            cx.op($op { axes: cx.record.axes("axes")?, keep_dims: cx.record.bool("keep_dims")? })
        })
    };
}

/// Layers first, then tensor operations.
pub(crate) static NODE_OPS: &[NodeOp] = &[
    op(
        "dense",
        "Fully connected layer: `activation(x * kernel + bias)`; kernel (in, out).",
        &[Field::required("units", SIZE, "Number of outputs."), USE_BIAS, ACTIVATION],
        example(
            "Layer of tables and vectors, and the last layer of nearly every net: one unit for each class or value.",
            &[FEATURES],
            r#"{ "name": "hidden", "op": "dense", "inputs": "x", "units": 64, "activation": "relu" }"#,
        ),
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
        "Convolution of NHWC images: `activation(conv2d(x, kernel) + bias)`; kernel HWIO.",
        &[
            Field::required("filters", SIZE, "Number of output channels."),
            Field::required("kernel", Kind::Pair, "Height and width of the kernel."),
            STRIDES,
            PADDING,
            DILATION,
            Field::or(
                "groups",
                SIZE,
                "1",
                "Groups of channels, each with its own filters; the channels and `filters` are multiples of it.",
            ),
            USE_BIAS,
            ACTIVATION,
        ],
        example(
            "Layer of pictures: every filter looks for one small pattern everywhere.",
            &[IMAGE],
            r#"{ "name": "conv1", "op": "conv2d", "inputs": "image", "filters": 16, "kernel": 3, "padding": "same" }"#,
        ),
        |cx| {
            let layer = Convolution { groups: cx.record.size("groups")?, ..cx.convolution_fields("filters")? };
            Some(cx.builder.conv2d(cx.name, cx.inputs[0], &layer))
        },
    ),
    op(
        "depthwise_conv2d",
        "Convolution of each channel by itself: `activation(conv2d(x, kernel) + bias)`; kernel (height, width, channels, \
         multiplier).",
        &[
            Field::or(
                "depth_multiplier",
                SIZE,
                "1",
                "Filters for each channel; output `depth_multiplier * c + i` is the `i`-th of channel `c`.",
            ),
            Field::required("kernel", Kind::Pair, "Height and width of the kernel."),
            STRIDES,
            PADDING,
            DILATION,
            USE_BIAS,
            ACTIVATION,
        ],
        example(
            "Looks for patterns in every channel alone; with a `conv2d` of kernel 1 behind it, a cheaper convolution.",
            &[MAPS],
            r#"{ "name": "depth1", "op": "depthwise_conv2d", "inputs": "maps", "kernel": 3, "padding": "same" }"#,
        ),
        |cx| {
            let layer = cx.convolution_fields("depth_multiplier")?;
            Some(cx.builder.depthwise_conv2d(cx.name, cx.inputs[0], &layer))
        },
    ),
    op(
        "batch_norm",
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
        example(
            "Behind a convolution or dense layer, in front of its activation: faster training, higher learning rates.",
            &[MAPS],
            r#"{ "name": "bn1", "op": "batch_norm", "inputs": "maps" }"#,
        ),
        |cx| {
            let (momentum, epsilon) = (cx.record.number("momentum")?, cx.record.number("epsilon")?);
            Some(cx.builder.batch_norm(cx.name, cx.inputs[0], momentum, epsilon))
        },
    ),
    op(
        "dropout",
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
        example(
            "Against overfitting: the training loss falls, the validation loss rises. Usual rates are 0.2 to 0.5.",
            &[FEATURES],
            r#"{ "name": "drop1", "op": "dropout", "inputs": "x", "rate": 0.2 }"#,
        ),
        |cx| {
            let seed = cx.record.int("seed").unwrap_or(cx.position as i64);
            Some(cx.builder.dropout(cx.name, cx.inputs[0], cx.record.number("rate")?, seed))
        },
    ),
    op(
        "relu",
        "`max(x, 0)`.",
        &[],
        example(
            "The usual activation of hidden layers.",
            &[MAPS],
            r#"{ "name": "relu1", "op": "relu", "inputs": "maps" }"#,
        ),
        |cx| cx.activate(Activation::Relu),
    ),
    op(
        "sigmoid",
        "`1 / (1 + exp(-x))`.",
        &[],
        example(
            "Last activation of yes or no, with the loss `binary_crossentropy`; results are between 0 and 1.",
            &[FEATURES],
            r#"{ "name": "gate", "op": "sigmoid", "inputs": "x" }"#,
        ),
        |cx| cx.activate(Activation::Sigmoid),
    ),
    op(
        "tanh",
        "Hyperbolic tangent.",
        &[],
        example(
            "Activation with results between -1 and 1.",
            &[FEATURES],
            r#"{ "name": "tanh1", "op": "tanh", "inputs": "x" }"#,
        ),
        |cx| cx.activate(Activation::Tanh),
    ),
    op(
        "softmax",
        "Softmax over the last dimension.",
        &[],
        example(
            "Last activation of a classifier, with `categorical_crossentropy`: numbers from 0 to 1 whose sum is 1.",
            &[FEATURES],
            r#"{ "name": "probabilities", "op": "softmax", "inputs": "x" }"#,
        ),
        |cx| cx.activate(Activation::Softmax),
    ),
    op(
        "log_softmax",
        "Logarithm of the softmax over the last dimension.",
        &[],
        example(
            "Logarithms of probabilities, as a result of their own. The cross-entropies take `softmax`.",
            &[FEATURES],
            r#"{ "name": "logs", "op": "log_softmax", "inputs": "x" }"#,
        ),
        |cx| cx.activate(Activation::LogSoftmax),
    ),
    op(
        "avg_pool2d",
        "Means of windows of NHWC images; padding is left out of them.",
        POOL,
        example(
            "Makes pictures smaller, here to half the height and width.",
            &[MAPS],
            r#"{ "name": "pool1", "op": "avg_pool2d", "inputs": "maps", "pool": 2 }"#,
        ),
        |cx| {
            let pool = cx.pool_fields()?;
            Some(cx.builder.avg_pool2d(cx.name, cx.inputs[0], &pool))
        },
    ),
    op(
        "max_pool2d",
        "Maxima of windows of NHWC images.",
        POOL,
        example(
            "Makes pictures smaller and keeps the strongest value of every window.",
            &[MAPS],
            r#"{ "name": "pool1", "op": "max_pool2d", "inputs": "maps", "pool": 2 }"#,
        ),
        |cx| {
            let pool = cx.pool_fields()?;
            Some(cx.builder.max_pool2d(cx.name, cx.inputs[0], &pool))
        },
    ),
    op(
        "flatten",
        "All dimensions but the batch in one, in NHWC order.",
        &[],
        example(
            "Between the last picture and the first dense layer.",
            &[MAPS],
            r#"{ "name": "flat", "op": "flatten", "inputs": "maps" }"#,
        ),
        |cx| Some(cx.builder.flatten(cx.name, cx.inputs[0])),
    ),
    op(
        "reshape",
        "The same elements under another shape; `\"N\"` stays first.",
        TARGET_SHAPE,
        example(
            "Gives values another shape, such as a vector that of a picture. The number of elements of a sample stays.",
            &[("x", DType::F32, &[784])],
            r#"{ "name": "picture", "op": "reshape", "inputs": "x", "shape": ["N", 28, 28, 1] }"#,
        ),
        |cx| cx.op(Reshape { shape: cx.record.shape("shape")? }),
    ),
    op(
        "broadcast",
        "NumPy broadcasting to a given shape.",
        TARGET_SHAPE,
        example(
            "Repeats values along dimensions of size 1. Arithmetic does so by itself.",
            &[("colour", DType::F32, &[1, 1, 3])],
            r#"{ "name": "plain", "op": "broadcast", "inputs": "colour", "shape": ["N", 8, 8, 3] }"#,
        ),
        |cx| cx.op(Broadcast { shape: cx.record.shape("shape")? }),
    ),
    op(
        "transpose",
        "Dimensions in another order.",
        &[Field::required("perm", Kind::Axes, "Which dimension of the input each dimension of the result is.")],
        example(
            "Swaps dimensions. The batch stays first in what a layer reads.",
            &[("x", DType::F32, &[10, 8])],
            r#"{ "name": "swapped", "op": "transpose", "inputs": "x", "perm": [0, 2, 1] }"#,
        ),
        |cx| cx.op(Transpose { perm: cx.record.axes("perm")? }),
    ),
    op(
        "add",
        "`a + b`, with NumPy broadcasting.",
        &[],
        example(
            "Joins two branches, as the shortcut of a residual net.",
            &[MAPS, ("shortcut", DType::F32, &[24, 24, 6])],
            r#"{ "name": "sum", "op": "add", "inputs": ["maps", "shortcut"] }"#,
        ),
        |cx| cx.op(Add {}),
    ),
    op(
        "sub",
        "`a - b`, with NumPy broadcasting.",
        &[],
        example(
            "Differences, such as from a mean.",
            &[FEATURES, ("mean", DType::F32, &[1])],
            r#"{ "name": "centred", "op": "sub", "inputs": ["x", "mean"] }"#,
        ),
        |cx| cx.op(Sub {}),
    ),
    op(
        "mul",
        "`a * b`, with NumPy broadcasting.",
        &[],
        example(
            "Gates and scales one branch by another.",
            &[MAPS, ("gate", DType::F32, &[1, 1, 6])],
            r#"{ "name": "gated", "op": "mul", "inputs": ["maps", "gate"] }"#,
        ),
        |cx| cx.op(Mul {}),
    ),
    op(
        "div",
        "`a / b`, with NumPy broadcasting.",
        &[],
        example(
            "Ratios, such as by a norm.",
            &[FEATURES, ("norm", DType::F32, &[1])],
            r#"{ "name": "unit", "op": "div", "inputs": ["x", "norm"] }"#,
        ),
        |cx| cx.op(Div {}),
    ),
    op(
        "neg",
        "`-x`.",
        &[],
        example("Turns the sign.", &[FEATURES], r#"{ "name": "minus", "op": "neg", "inputs": "x" }"#),
        |cx| cx.op(Neg {}),
    ),
    op(
        "exp",
        "Exponential function.",
        &[],
        example(
            "Makes logarithms numbers again; results are greater than 0.",
            &[FEATURES],
            r#"{ "name": "positive", "op": "exp", "inputs": "x" }"#,
        ),
        |cx| cx.op(Exp {}),
    ),
    op(
        "log",
        "Natural logarithm.",
        &[],
        example(
            "Compresses values that are greater than 0; 0 gives minus infinity, less gives NaN.",
            &[FEATURES],
            r#"{ "name": "logs", "op": "log", "inputs": "x" }"#,
        ),
        |cx| cx.op(Log {}),
    ),
    op(
        "sqrt",
        "Square root.",
        &[],
        example(
            "Root of values of at least 0; less gives NaN.",
            &[FEATURES],
            r#"{ "name": "root", "op": "sqrt", "inputs": "x" }"#,
        ),
        |cx| cx.op(Sqrt {}),
    ),
    op(
        "matmul",
        "Product of two matrices.",
        &[
            Field::or("transpose_a", Kind::Bool, "false", "Whether the first is transposed."),
            Field::or("transpose_b", Kind::Bool, "false", "Whether the second is transposed."),
        ],
        example(
            "Products of two computed matrices, such as the scores of attention. A layer with weights is `dense`.",
            &[("query", DType::F32, &[10, 8]), ("key", DType::F32, &[10, 8])],
            r#"{ "name": "scores", "op": "matmul", "inputs": ["query", "key"], "transpose_b": true }"#,
        ),
        |cx| {
            let (transpose_a, transpose_b) = (cx.record.bool("transpose_a")?, cx.record.bool("transpose_b")?);
            cx.op(MatMul { transpose_a, transpose_b })
        },
    ),
    reduction!(
        "reduce_sum",
        ReduceSum,
        "Sum over dimensions.",
        example(
            "Sums, such as of squares.",
            &[FEATURES],
            r#"{ "name": "total", "op": "reduce_sum", "inputs": "x", "axes": [1] }"#
        )
    ),
    reduction!(
        "reduce_mean",
        ReduceMean,
        "Mean over dimensions.",
        example(
            "Means; over height and width it is global average pooling.",
            &[MAPS],
            r#"{ "name": "means", "op": "reduce_mean", "inputs": "maps", "axes": [1, 2] }"#
        )
    ),
    reduction!(
        "reduce_max",
        ReduceMax,
        "Maximum over dimensions.",
        example(
            "The largest values; over height and width it is global max pooling.",
            &[MAPS],
            r#"{ "name": "peaks", "op": "reduce_max", "inputs": "maps", "axes": [1, 2] }"#
        )
    ),
    reduction!(
        "reduce_variance",
        ReduceVariance,
        "Population variance over dimensions.",
        example(
            "How much values spread, as a normalisation needs it.",
            &[FEATURES],
            r#"{ "name": "spread", "op": "reduce_variance", "inputs": "x", "axes": [1], "keep_dims": true }"#
        )
    ),
    op(
        "argmax",
        "Position of the first maximum along a dimension (`i32`).",
        &[Field::required("axis", Kind::Int { min: 0, max: i32::MAX as i64 }, "The dimension; not the batch.")],
        example(
            "The class of a prediction as a number. It has no gradient: for what is read out, not for what is trained.",
            &[FEATURES],
            r#"{ "name": "class", "op": "argmax", "inputs": "x", "axis": 1 }"#,
        ),
        |cx| cx.op(Argmax { axis: cx.record.size("axis")? }),
    ),
    op(
        "one_hot",
        "1 at the class number, 0 elsewhere, in a new last dimension.",
        &[Field::required("depth", SIZE, "Number of classes.")],
        example(
            "Makes vectors of class numbers that are an input.",
            &[("town", DType::I32, &[])],
            r#"{ "name": "towns", "op": "one_hot", "inputs": "town", "depth": 5 }"#,
        ),
        |cx| cx.op(OneHot { depth: cx.record.size("depth")? }),
    ),
    op(
        "equal",
        "1 where both are equal, otherwise 0.",
        &[],
        example(
            "Marks where two agree. It has no gradient.",
            &[FEATURES, OTHER],
            r#"{ "name": "same", "op": "equal", "inputs": ["x", "y"] }"#,
        ),
        |cx| cx.op(Equal {}),
    ),
    op(
        "constant",
        "Every element the same value.",
        &[
            Field::required("value", Kind::Number(Range::Any), "The value."),
            Field::or("shape", Kind::Shape, "[]", "The shape; `[]` is a scalar."),
        ],
        example("A fixed number for arithmetic.", &[], r#"{ "name": "half", "op": "constant", "value": 0.5 }"#),
        |cx| cx.op(Constant { value: cx.record.number("value")?, shape: cx.record.shape("shape")? }),
    ),
];
