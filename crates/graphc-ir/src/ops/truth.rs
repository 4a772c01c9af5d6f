//! What ops share that read conditions, such as results of comparisons: 0 is false, and so is `-0`; every other number
//! is true, and NaN is, as in NumPy.

use crate::compute::{ScalarExpr, build};
use crate::scalar::CmpOp;
use crate::tensor::Real;

/// Whether a number is true.
pub(super) fn is_true<R: Real>(x: R) -> bool {
    x != R::zero()
}

/// What a truth is as a number.
pub(super) fn number<R: Real>(truth: bool) -> R {
    if truth { R::one() } else { R::zero() }
}

/// `then` where `condition` is true.
pub(super) fn select(condition: ScalarExpr, then: ScalarExpr, otherwise: ScalarExpr) -> ScalarExpr {
    build::select(CmpOp::Ne, condition, ScalarExpr::Const(0.0), then, otherwise)
}
