//! What comparisons share: they are of two numbers of one element type, under NumPy broadcasting, and give 1 where they
//! hold, otherwise 0. With NaN none holds but `not_equal`; `-0` and `0` are equal.

use super::{Lowering, elementwise};
use crate::compute::{ScalarExpr, build};
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

/// Type of the comparison called `name`.
pub(super) fn infer(name: &str, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
    let [a, b] = [operands[0], operands[1]];
    if a.dtype != b.dtype {
        return Err(TypeError::operand(1, format!("{name} compares one element type, got {a} and {b}")));
    }
    Ok(TensorType::f32(a.shape.broadcast(&b.shape)?))
}

pub(super) fn eval<R: Real>(cmp: CmpOp, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
    elementwise::eval(operands, out, |[a, b]| if cmp.eval(a, b) { R::one() } else { R::zero() })
}

pub(super) fn lower(cmp: CmpOp, operands: &[&TensorType], out: &TensorType) -> Lowering {
    elementwise::lower(operands, out, |loads| {
        let [a, b] = loads.try_into().expect("two operands");
        build::select(cmp, a, b, ScalarExpr::Const(1.0), ScalarExpr::Const(0.0))
    })
}
