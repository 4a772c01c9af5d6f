//! What elementwise ops share: shapes and evaluation under NumPy broadcasting.

use super::Lowering;
use crate::compute::{Compute, ScalarExpr, build};
use crate::tensor::{Real, Tensor, for_each_row};
use crate::types::{DType, Shape, TensorType, TypeError};

/// Type of an elementwise op on `f32` operands: their broadcast shape.
pub(super) fn infer(operands: &[&TensorType]) -> Result<TensorType, TypeError> {
    for (i, operand) in operands.iter().enumerate() {
        if operand.dtype != DType::F32 {
            return Err(TypeError::operand(i, format!("expected an f32 tensor, got {operand}")));
        }
    }
    let shape = operands.iter().try_fold(Shape::scalar(), |shape, operand| shape.broadcast(&operand.shape))?;
    Ok(TensorType::f32(shape))
}

/// `out[i] = f(operands at i)`, operands broadcast.
pub(super) fn eval<R: Real, const N: usize>(
    operands: &[&Tensor<R>],
    out: &[usize],
    f: impl Fn([R; N]) -> R,
) -> Tensor<R> {
    let operands: [&Tensor<R>; N] = operands.try_into().expect("types are inferred of so many operands");
    let strides = operands.map(|operand| broadcast_strides(operand, out));
    let (len, steps) =
        (out.last().copied().unwrap_or(1), strides.each_ref().map(|strides| *strides.last().unwrap_or(&0)));
    let mut data = Vec::with_capacity(out.iter().product());
    for_each_row(out, strides.each_ref().map(Vec::as_slice), |starts| {
        for i in 0..len {
            let mut values = [R::zero(); N];
            for n in 0..N {
                values[n] = operands[n].data[starts[n] + i * steps[n]];
            }
            data.push(f(values));
        }
    });
    Tensor::new(out.to_vec(), data)
}

/// Strides of `operand` along the dimensions of `out`; 0 where it is broadcast.
fn broadcast_strides<R: Real>(operand: &Tensor<R>, out: &[usize]) -> Vec<usize> {
    let skipped = out.len() - operand.shape.len();
    let mut strides = vec![0; skipped];
    for (stride, &size) in operand.strides().into_iter().zip(&operand.shape) {
        strides.push(if size == 1 { 0 } else { stride });
    }
    strides
}

/// The loop form: `body` applied to the broadcast loads of all operands.
pub(super) fn lower(
    operands: &[&TensorType],
    out: &TensorType,
    body: impl FnOnce(Vec<ScalarExpr>) -> ScalarExpr,
) -> Lowering {
    let rank = out.rank();
    let loads = operands.iter().enumerate().map(|(i, ty)| build::load_broadcast(i, &ty.shape.0, rank)).collect();
    Lowering::Compute(Compute::map(&out.shape.0, body(loads)))
}
