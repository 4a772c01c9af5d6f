//! Every tensor operation, one file each, and the one list of them.
//!
//! An op's struct fields are its attributes. Its four rules (the trait is in `rules`) stand in its file:
//! [`OpRules::infer`] (types), [`OpRules::eval`] (meaning), [`OpRules::vjp`] (gradient), [`OpRules::lower`] (index
//! notation). A *composite* has no lowering; it is expanded by [`OpRules::expand`]. What else an op says of itself is
//! in [`facts`]; graph files, their schema, the guide, random graphs and tests follow from it.

pub mod draw;
pub mod facts;
mod rules;

pub use crate::attrs::OpAttrs;
pub use rules::{ANY_NUMBER, Expand, Lowering, OpRules};

use crate::attrs::{AttrError, AttrKind, AttrValue, AttrWords, Attrs, FieldInfo};
use crate::graph::{NodeId, OpCx};
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};
use draw::{Draw, Drawn};
use facts::{Domain, Elementwise, LossUsage, Usage};

macro_rules! ops {
    ($($module:ident :: $variant:ident),* $(,)?) => {
        /// An operation with its attributes. Closed, so that `match` is exhaustive.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Op { $(#[doc = concat!("[`", stringify!($variant), "`]")] $variant($variant),)* }

        $(pub use $module::$variant;
        impl From<$variant> for Op {
            fn from(op: $variant) -> Op {
                Op::$variant(op)
            }
        })*

        impl Op {
            /// What is known of every op, in the order of the list.
            pub const ALL: &'static [OpInfo] =
                &[$(OpInfo::of::<$variant>(
                    |attrs| $variant::from_attrs(attrs).map(Op::$variant),
                    |draw| $variant::draw(draw).map(|drawn| drawn.map(Op::$variant)),
                ),)*];

            /// See [`OpRules::ELEMENTWISE`].
            pub fn elementwise(&self) -> Option<Elementwise> {
                match self { $(Op::$variant(_) => $variant::ELEMENTWISE,)* }
            }

            /// The mnemonic.
            pub fn name(&self) -> &'static str {
                match self { $(Op::$variant(_) => $variant::NAME,)* }
            }

            /// The attributes, in order.
            pub fn attrs(&self) -> Attrs {
                match self { $(Op::$variant(op) => op.attrs(),)* }
            }

            /// The attributes as words.
            pub fn words(&self) -> AttrWords {
                match self { $(Op::$variant(op) => op.words(),)* }
            }

            /// See [`OpRules::infer`]; also checks the number of operands and the ranges of attributes.
            ///
            /// # Errors
            /// If the op does not accept the operands.
            pub fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
                match self { $(Op::$variant(op) => {
                    check_count($variant::NAME, $variant::ARITY, $variant::N_OPTIONAL, operands.len())?;
                    op.check_ranges($variant::NAME)?;
                    op.infer(operands)
                })* }
            }

            /// See [`OpRules::domain`].
            pub fn domain(&self, operand: usize, operands: &[&TensorType]) -> Domain {
                match self { $(Op::$variant(op) => op.domain(operand, operands),)* }
            }

            /// See [`OpRules::eval`].
            pub fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
                match self { $(Op::$variant(op) => op.eval(operands, out),)* }
            }

            /// See [`OpRules::vjp`].
            pub fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
                match self { $(Op::$variant(op) => op.vjp(cx, dy),)* }
            }

            /// See [`OpRules::n_results`].
            pub fn n_results(&self) -> usize {
                match self { $(Op::$variant(op) => op.n_results(),)* }
            }

            /// See [`OpRules::composite`].
            pub fn composite(&self, operands: &[&TensorType]) -> Option<Expand> {
                match self { $(Op::$variant(op) => op.composite(operands),)* }
            }

            /// See [`OpRules::lower`].
            pub fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
                if let Some(kind) = self.composite(operands) {
                    return Lowering::Composite(kind);
                }
                match self { $(Op::$variant(op) => op.lower(operands, out),)* }
            }

            /// See [`OpRules::expand`].
            pub fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
                match self { $(Op::$variant(op) => op.expand(cx),)* }
            }
        }

        $(mod $module;)*
    };
}

/// What is known of an op whatever its attributes.
#[derive(Clone, Copy, Debug)]
pub struct OpInfo {
    /// See [`OpRules::NAME`].
    pub name: &'static str,
    /// See [`OpRules::ARITY`].
    pub arity: usize,
    /// See [`OpRules::N_OPTIONAL`].
    pub n_optional: usize,
    /// See [`OpRules::SUMMARY`].
    pub summary: &'static str,
    /// See [`OpRules::USAGE`].
    pub usage: Option<Usage>,
    /// See [`OpRules::LOSS`].
    pub loss: Option<LossUsage>,
    /// See [`OpRules::IS_ACTIVATION`].
    pub is_activation: bool,
    /// See [`OpRules::ELEMENTWISE`].
    pub elementwise: Option<Elementwise>,
    /// See [`OpRules::IS_EXACT`].
    pub is_exact: bool,
    /// See [`OpRules::DEPENDS_ON_MODE`].
    pub depends_on_mode: bool,
    /// See [`OpRules::NOT_DRAWN`].
    pub not_drawn: Option<&'static str>,
    /// Its attributes, see [`OpAttrs::fields`].
    pub fields: fn() -> Vec<FieldInfo>,
    /// The op with these attributes.
    pub from_attrs: fn(&Attrs) -> Result<Op, AttrError>,
    of_draw: DrawOp,
}

type DrawOp = fn(&mut dyn Draw) -> Option<Drawn<Op>>;

impl OpInfo {
    const fn of<O: OpRules>(from_attrs: fn(&Attrs) -> Result<Op, AttrError>, of_draw: DrawOp) -> OpInfo {
        OpInfo {
            name: O::NAME,
            arity: O::ARITY,
            n_optional: O::N_OPTIONAL,
            summary: O::SUMMARY,
            usage: O::USAGE,
            loss: O::LOSS,
            is_activation: O::IS_ACTIVATION,
            elementwise: O::ELEMENTWISE,
            is_exact: O::IS_EXACT,
            depends_on_mode: O::DEPENDS_ON_MODE,
            not_drawn: O::NOT_DRAWN,
            fields: O::fields,
            from_attrs,
            of_draw,
        }
    }

    /// The op made up, with operands, see [`OpRules::draw`]; an elementwise op on any tensors that broadcast.
    pub fn draw(&self, draw: &mut dyn Draw) -> Option<Drawn<Op>> {
        if self.elementwise.is_none() {
            return (self.of_draw)(draw);
        }
        let samples = self.samples();
        let op = samples[draw.pick(samples.len())].clone();
        let mut operands = vec![draw.any()?];
        while operands.len() < self.arity {
            let partner = draw.partner(operands[0].shape())?;
            operands.push(partner);
        }
        if self.arity > 1 && draw.flag() {
            operands.swap(0, 1);
        }
        Some(Drawn::of(op, operands))
    }

    /// The op with a few values of each attribute, for tests; none if they cannot be made up.
    pub fn samples(&self) -> Vec<Op> {
        let mut samples = vec![Attrs::default()];
        for field in (self.fields)() {
            let values: Vec<AttrValue> = match field.kind {
                AttrKind::Float => field.range.samples().into_iter().map(AttrValue::Float).collect(),
                AttrKind::Bool => [false, true].map(AttrValue::Bool).into(),
                _ => Vec::new(),
            };
            let with = |attrs: &Attrs, value: &AttrValue| {
                let more = (field.name.to_string(), value.clone());
                Attrs(attrs.0.iter().cloned().chain([more]).collect())
            };
            samples = samples.iter().flat_map(|attrs| values.iter().map(move |value| with(attrs, value))).collect();
        }
        samples.iter().map(|attrs| (self.from_attrs)(attrs).expect("values are of the kinds of their fields")).collect()
    }
}

impl Op {
    /// Names of the ops that a layer takes for its activation.
    pub const ACTIVATIONS: &'static [&'static str] = &activations::<{ count_activations() }>();

    /// What is known of the op called `name`.
    pub fn named(name: &str) -> Option<&'static OpInfo> {
        Op::ALL.iter().find(|info| info.name == name)
    }

    /// What is known of it whatever its attributes.
    ///
    /// # Panics
    /// Never: every op is in the list.
    pub fn info(&self) -> &'static OpInfo {
        Op::named(self.name()).expect("every op is in the list")
    }

    /// Its results in order, each the op of a node of its own; the op itself if it has one.
    ///
    /// # Panics
    /// Never: an op of several results has an attribute that says which of them it is.
    pub fn results(&self) -> Vec<Op> {
        let result = |number: usize| {
            let mut attrs = self.attrs();
            attrs.0.retain(|(name, _)| name != RESULT);
            attrs.0.push((RESULT.to_string(), AttrValue::Int(number as i64)));
            (self.info().from_attrs)(&attrs).expect("it differs in the number of its result alone")
        };
        if self.n_results() == 1 { vec![self.clone()] } else { (0..self.n_results()).map(result).collect() }
    }

    /// The op called `name` with these attributes; `None` if there is no such op.
    pub fn from_attrs(name: &str, attrs: &Attrs) -> Option<Result<Op, AttrError>> {
        Op::named(name).map(|info| (info.from_attrs)(attrs))
    }
}

/// The attribute of an op of several results that says which of them a node is, from 0.
pub const RESULT: &str = "result";

const fn count_activations() -> usize {
    let (mut count, mut i) = (0, 0);
    while i < Op::ALL.len() {
        count += Op::ALL[i].is_activation as usize;
        i += 1;
    }
    count
}

const fn activations<const N: usize>() -> [&'static str; N] {
    let (mut names, mut count, mut i) = ([""; N], 0, 0);
    while i < Op::ALL.len() {
        if Op::ALL[i].is_activation {
            names[count] = Op::ALL[i].name;
            count += 1;
        }
        i += 1;
    }
    names
}

/// Whether an op takes so many operands.
fn check_count(name: &str, arity: usize, n_optional: usize, found: usize) -> Result<(), TypeError> {
    let expected = match n_optional {
        _ if (arity..=arity.saturating_add(n_optional)).contains(&found) => return Ok(()),
        0 => arity.to_string(),
        ANY_NUMBER => format!("at least {arity}"),
        _ => format!("{arity} to {}", arity + n_optional),
    };
    Err(TypeError::new(format!("{name} takes {expected} operands, got {found}")))
}

mod algorithm;
mod axis;
mod blocks;
mod classification;
mod comparison;
mod convolution;
mod distances;
mod elementwise;
mod extremum;
mod hinges;
mod losses;
mod pool;
mod reduction;
mod repetition;
pub mod table;
mod triangle;
mod truth;
mod winograd;
mod zero_wins;

ops! {
    input::Input,
    parameter::Parameter,
    constant::Constant,
    literal::Literal,
    batch_size::BatchSize,
    add::Add,
    sub::Sub,
    mul::Mul,
    div::Div,
    maximum::Maximum,
    minimum::Minimum,
    neg::Neg,
    equal::Equal,
    not_equal::NotEqual,
    less::Less,
    less_equal::LessEqual,
    greater::Greater,
    greater_equal::GreaterEqual,
    logical_and::LogicalAnd,
    logical_or::LogicalOr,
    logical_not::LogicalNot,
    r#where::Where,
    square::Square,
    exp::Exp,
    log::Log,
    expm1::Expm1,
    log1p::Log1p,
    sin::Sin,
    cos::Cos,
    tan::Tan,
    sqrt::Sqrt,
    rsqrt::Rsqrt,
    reciprocal::Reciprocal,
    power::Power,
    relu::Relu,
    relu_grad::ReluGrad,
    relu6::Relu6,
    leaky_relu::LeakyRelu,
    elu::Elu,
    celu::Celu,
    selu::Selu,
    silu::Silu,
    gelu::Gelu,
    mish::Mish,
    softplus::Softplus,
    hard_sigmoid::HardSigmoid,
    hard_tanh::HardTanh,
    hard_silu::HardSilu,
    sigmoid::Sigmoid,
    tanh::Tanh,
    softsign::Softsign,
    log_sigmoid::LogSigmoid,
    erf::Erf,
    ndtr::Ndtr,
    zero_if_finite::ZeroIfFinite,
    abs::Abs,
    sign::Sign,
    floor::Floor,
    ceil::Ceil,
    round::Round,
    trunc::Trunc,
    if_positive::IfPositive,
    clamp::Clamp,
    clip::Clip,
    xlogy::Xlogy,
    xdivy::Xdivy,
    xmuly::Xmuly,
    reduce_sum::ReduceSum,
    reduce_mean::ReduceMean,
    reduce_max::ReduceMax,
    reduce_min::ReduceMin,
    reduce_prod::ReduceProd,
    reduce_l1::ReduceL1,
    reduce_l2::ReduceL2,
    reduce_logsumexp::ReduceLogsumexp,
    reduce_any::ReduceAny,
    reduce_all::ReduceAll,
    reduce_variance::ReduceVariance,
    moments::Moments,
    argmax::Argmax,
    argmin::Argmin,
    top_k::TopK,
    cast::Cast,
    one_hot::OneHot,
    pick::Pick,
    pick_grad::PickGrad,
    label_mask::LabelMask,
    reshape::Reshape,
    squeeze::Squeeze,
    expand_dims::ExpandDims,
    transpose::Transpose,
    broadcast::Broadcast,
    slice::Slice,
    flip::Flip,
    roll::Roll,
    tile::Tile,
    repeat::Repeat,
    space_to_depth::SpaceToDepth,
    depth_to_space::DepthToSpace,
    pad::Pad,
    concat::Concat,
    stack::Stack,
    split::Split,
    gather::Gather,
    gather_grad::GatherGrad,
    cumsum::CumSum,
    matmul::MatMul,
    einsum::Einsum,
    gemm::Gemm,
    tril::Tril,
    triu::Triu,
    attention_weights::AttentionWeights,
    rotary_embedding::RotaryEmbedding,
    scaled_dot_product_attention::ScaledDotProductAttention,
    conv2d::Conv2d,
    conv2d_input_grad::Conv2dInputGrad,
    conv2d_kernel_grad::Conv2dKernelGrad,
    conv2d_transpose::Conv2dTranspose,
    winograd_input::WinogradInput,
    winograd_kernel::WinogradKernel,
    winograd_kernel_grad::WinogradKernelGrad,
    winograd_output::WinogradOutput,
    winograd_output_grad::WinogradOutputGrad,
    avg_pool2d::AvgPool2d,
    avg_pool2d_grad::AvgPool2dGrad,
    max_pool2d::MaxPool2d,
    max_pool2d_index::MaxPool2dIndex,
    max_pool2d_grad::MaxPool2dGrad,
    max_pool2d_take::MaxPool2dTake,
    batch_norm::BatchNorm,
    normalize::Normalize,
    unit_normalization::UnitNormalization,
    dropout::Dropout,
    dropout_mask::DropoutMask,
    softmax::Softmax,
    log_softmax::LogSoftmax,
    categorical_crossentropy::CategoricalCrossentropy,
    softmax_crossentropy::SoftmaxCrossentropy,
    binary_crossentropy::BinaryCrossentropy,
    mean_squared_error::MeanSquaredError,
    mean_absolute_error::MeanAbsoluteError,
    huber::Huber,
    log_cosh::LogCosh,
    mean_absolute_percentage_error::MeanAbsolutePercentageError,
    poisson::Poisson,
    cosine_similarity::CosineSimilarity,
    kl_divergence::KlDivergence,
    nll::Nll,
    hinge::Hinge,
    squared_hinge::SquaredHinge,
    categorical_hinge::CategoricalHinge,
    contrastive::Contrastive,
    mean::Mean,
    pairwise_distance::PairwiseDistance,
    triplet_margin::TripletMargin,
    stop_gradient::StopGradient,
}

pub use crate::initializers::Initializer;
pub use algorithm::Algorithm;
pub use cast::CastTo;
pub use convolution::Windows;
pub use pad::PadMode;
