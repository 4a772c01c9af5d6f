//! Every tensor operation, one file each, and the one list of them.
//!
//! An op's struct fields are its attributes. Its four rules stand in its file: [`OpRules::infer`]
//! (types), [`OpRules::eval`] (meaning), [`OpRules::vjp`] (gradient), [`OpRules::lower`] (index
//! notation). A *composite* has no lowering; it is expanded by [`OpRules::expand`].

use crate::attrs::{AttrError, Attrs};
use crate::compute::Compute;
use crate::graph::{NodeId, OpCx};
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

/// Attributes of an op; implemented by [`crate::op_struct!`].
pub trait OpAttrs: Sized {
    /// The fields, in order.
    fn attrs(&self) -> Attrs;
    /// Name of each field and what its values look like, in order.
    fn fields() -> Vec<(&'static str, &'static str)>;
    /// The op with these fields.
    ///
    /// # Errors
    /// If a field is missing, unknown, or of the wrong kind.
    fn from_attrs(attrs: &Attrs) -> Result<Self, AttrError>;
}

/// How an op becomes loops.
#[derive(Clone, Debug, PartialEq)]
pub enum Lowering {
    /// Its value is given: an input, a parameter.
    Leaf,
    /// Index notation.
    Compute(Compute),
    /// Population variance over axes; the schedule sums squared deviations per batch chunk and
    /// joins chunks by Chan's formula, which index notation does not express.
    Variance {
        /// Reduced axes of the operand, ascending.
        axes: Vec<usize>,
    },
    /// Expanded into other ops before the schedule sees it.
    Composite(Expand),
}

/// When a composite is expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expand {
    /// Before autodiff, because the expansion depends on the mode, or because its parts' gradient
    /// rules are the right ones.
    BeforeAutodiff,
    /// After autodiff and the algebraic rules, because the composite's own gradient is better.
    AfterAutodiff,
}

/// The rules of one op.
pub trait OpRules: OpAttrs {
    /// The mnemonic in text form and JSON.
    const NAME: &'static str;

    /// Number of operands.
    const ARITY: usize;

    /// How many operands may follow those.
    const N_OPTIONAL: usize = 0;

    /// One line for the generated op table.
    const SUMMARY: &'static str;

    /// Type of the result. `operands` has [`OpRules::ARITY`] entries, and up to
    /// [`OpRules::N_OPTIONAL`] more.
    ///
    /// # Errors
    /// If the op does not accept them; the message gives the shapes.
    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError>;

    /// The meaning: plain loops, slow and obvious. `out` gives the sizes of the result. For a leaf
    /// or a composite that is never evaluated (because the interpreter binds or expands it) this
    /// may panic.
    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R>;

    /// Vector-Jacobian product: for each operand the gradient of the loss, given `dy`, that of the
    /// result; `None` where it is zero or undefined (labels). Write the formula as a comment.
    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>>;

    /// The loop form.
    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering;

    /// A composite's value in terms of other ops.
    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        panic!("{} ({}) is not a composite", Self::NAME, cx.node)
    }
}

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
            /// Every mnemonic with its arity and one-line summary, in the order of the list.
            pub const ALL: &'static [(&'static str, usize, &'static str)] =
                &[$(($variant::NAME, $variant::ARITY, $variant::SUMMARY),)*];

            /// How many operands may follow the needed ones of the op called `name`; 0 if there is no such op.
            pub fn n_optional(name: &str) -> usize {
                match name {
                    $($variant::NAME => $variant::N_OPTIONAL,)*
                    _ => 0,
                }
            }

            /// The mnemonic.
            pub fn name(&self) -> &'static str {
                match self { $(Op::$variant(_) => $variant::NAME,)* }
            }

            /// The attributes, in order.
            pub fn attrs(&self) -> Attrs {
                match self { $(Op::$variant(op) => op.attrs(),)* }
            }

            /// The attributes of the op called `name`, see [`OpAttrs::fields`]; `None` if there is no
            /// such op.
            pub fn fields(name: &str) -> Option<Vec<(&'static str, &'static str)>> {
                $(if name == $variant::NAME {
                    return Some($variant::fields());
                })*
                None
            }

            /// The op called `name` with these attributes; `None` if there is no such op.
            pub fn from_attrs(name: &str, attrs: &Attrs) -> Option<Result<Op, AttrError>> {
                $(if name == $variant::NAME {
                    return Some($variant::from_attrs(attrs).map(Op::$variant));
                })*
                None
            }

            /// See [`OpRules::infer`]; also checks the number of operands.
            ///
            /// # Errors
            /// If the op does not accept the operands.
            pub fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
                match self { $(Op::$variant(op) => {
                    check_count($variant::NAME, $variant::ARITY, $variant::N_OPTIONAL, operands.len())?;
                    op.infer(operands)
                })* }
            }

            /// See [`OpRules::eval`].
            pub fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
                match self { $(Op::$variant(op) => op.eval(operands, out),)* }
            }

            /// See [`OpRules::vjp`].
            pub fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
                match self { $(Op::$variant(op) => op.vjp(cx, dy),)* }
            }

            /// See [`OpRules::lower`].
            pub fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
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

/// Whether an op takes so many operands.
fn check_count(name: &str, arity: usize, n_optional: usize, found: usize) -> Result<(), TypeError> {
    let expected = match n_optional {
        _ if (arity..=arity + n_optional).contains(&found) => return Ok(()),
        0 => arity.to_string(),
        _ => format!("{arity} to {}", arity + n_optional),
    };
    Err(TypeError::new(format!("{name} takes {expected} operands, got {found}")))
}

mod classification;
mod elementwise;
mod losses;
mod pool;
mod reduction;
mod table;
mod zero_wins;

ops! {
    input::Input, parameter::Parameter, constant::Constant, batch_size::BatchSize,
    add::Add, sub::Sub, mul::Mul, div::Div, neg::Neg, equal::Equal,
    exp::Exp, log::Log, sqrt::Sqrt, sigmoid::Sigmoid, tanh::Tanh,
    log_sigmoid::LogSigmoid, zero_if_finite::ZeroIfFinite,
    relu::Relu, relu_grad::ReluGrad,
    abs::Abs, sign::Sign, clamp::Clamp, xlogy::Xlogy, xdivy::Xdivy, xmuly::Xmuly,
    reduce_sum::ReduceSum, reduce_mean::ReduceMean, reduce_max::ReduceMax, reduce_variance::ReduceVariance,
    argmax::Argmax, one_hot::OneHot, pick::Pick, pick_grad::PickGrad,
    reshape::Reshape, transpose::Transpose, broadcast::Broadcast,
    matmul::MatMul,
    conv2d::Conv2d, conv2d_input_grad::Conv2dInputGrad, conv2d_kernel_grad::Conv2dKernelGrad,
    avg_pool2d::AvgPool2d, avg_pool2d_grad::AvgPool2dGrad,
    max_pool2d::MaxPool2d, max_pool2d_index::MaxPool2dIndex, max_pool2d_grad::MaxPool2dGrad,
    max_pool2d_take::MaxPool2dTake,
    batch_norm::BatchNorm, normalize::Normalize,
    dropout::Dropout, dropout_mask::DropoutMask,
    softmax::Softmax, log_softmax::LogSoftmax,
    categorical_crossentropy::CategoricalCrossentropy, softmax_crossentropy::SoftmaxCrossentropy,
    binary_crossentropy::BinaryCrossentropy,
    mean_squared_error::MeanSquaredError, mean_absolute_error::MeanAbsoluteError, huber::Huber,
}

pub use parameter::Initializer;
pub use table::ops_table;
