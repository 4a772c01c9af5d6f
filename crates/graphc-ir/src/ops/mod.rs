//! Every tensor operation, one file each, and the one list of them.
//!
//! An op's struct fields are its attributes. Its four rules (the trait is in `rules`) stand in its file:
//! [`OpRules::infer`] (types), [`OpRules::eval`] (meaning), [`OpRules::vjp`] (gradient), [`OpRules::lower`] (index
//! notation). A *composite* has no lowering; it is expanded by [`OpRules::expand`].

mod rules;

pub use crate::attrs::OpAttrs;
pub use rules::{Expand, Lowering, OpRules};

use crate::attrs::{AttrError, AttrWords, Attrs, FieldInfo};
use crate::graph::{NodeId, OpCx};
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

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

            /// The attributes as words.
            pub fn words(&self) -> AttrWords {
                match self { $(Op::$variant(op) => op.words(),)* }
            }

            /// The attributes of the op called `name`, see [`OpAttrs::fields`]; `None` if there is no
            /// such op.
            pub fn fields(name: &str) -> Option<Vec<FieldInfo>> {
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
mod convolution;
mod elementwise;
mod losses;
mod pool;
mod reduction;
pub mod table;
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

pub use convolution::Windows;
pub use parameter::Initializer;
