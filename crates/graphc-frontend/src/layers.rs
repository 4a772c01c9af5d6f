//! Layers: what becomes of several ops, or has parameters, or sizes that follow from those of its input.

use crate::field::{Field, Kind, Range, SIZE, Section};
use crate::node_op::{Build, Example, NodeCx, NodeOp};
use graphc_ir::graph::builder::{Activation, BuildResult, Convolution, Dense, Pool};
use graphc_ir::ops::facts::{FEATURES, Given, MAPS};
use graphc_ir::{DType, Op};

const fn layer(
    name: &'static str,
    doc: &'static str,
    fields: &'static [Field],
    example: Example,
    build: fn(&mut NodeCx<'_>) -> Option<BuildResult>,
) -> NodeOp {
    NodeOp { section: Section { name, doc, fields }, example, build: Build::Layer(build) }
}

const fn example(purpose: &'static str, inputs: &'static [Given], node: &'static str) -> Example {
    Example { purpose, inputs, node }
}

const IMAGE: Given = ("image", DType::F32, &[28, 28, 1]);

const ACTIVATION: Field = Field::optional(
    "activation",
    Kind::Choice(Op::ACTIVATIONS),
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

/// Every layer.
pub(crate) static LAYERS: &[NodeOp] = &[
    layer(
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
    layer(
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
    layer(
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
    layer(
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
    layer(
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
    layer(
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
    layer(
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
    layer(
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
];

impl NodeCx<'_> {
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
