//! What `xlogy`, `xdivy` and `xmuly` share: where `x` is 0 the result is 0 whatever `y` is, unless `y` is NaN.
//!
//! That is their limit for `x` towards 0, and what cross-entropies want: a class of probability 0 that is not
//! expected costs nothing, though its logarithm is infinite. The names are those of SciPy, PyTorch and TensorFlow.

use super::{Lowering, elementwise};
use crate::compute::{ScalarExpr, build};
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::TensorType;

/// The rule with plain numbers.
pub(super) fn scalar<R: Real>(x: R, y: R, f: impl FnOnce(R, R) -> R) -> R {
    match (x == R::zero(), y.is_nan()) {
        (true, false) => R::zero(),
        (true, true) => y,
        _ => f(x, y),
    }
}

pub(super) fn eval<R: Real>(operands: &[&Tensor<R>], out: &[usize], f: impl Fn(R, R) -> R) -> Tensor<R> {
    elementwise::eval(operands, out, |[a, b]| scalar(a, b, &f))
}

pub(super) fn lower(
    operands: &[&TensorType],
    out: &TensorType,
    f: impl FnOnce(ScalarExpr, ScalarExpr) -> ScalarExpr,
) -> Lowering {
    elementwise::lower(operands, out, |loads| {
        let [x, y] = loads.try_into().expect("two operands");
        let zero = ScalarExpr::Const(0.0);
        // A comparison with itself finds NaN.
        let zero_or_nan = build::select(CmpOp::Eq, y.clone(), y.clone(), zero.clone(), y.clone());
        build::select(CmpOp::Eq, x.clone(), zero, zero_or_nan, f(x, y))
    })
}
