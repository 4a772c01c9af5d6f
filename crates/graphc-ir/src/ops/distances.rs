//! What ops of distances share: rows along the last dimension of tensors of one type.

use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

/// Added to every difference, as in PyTorch.
pub(super) const LEAST: f64 = 1e-6;

/// A number for each row.
pub(super) fn infer(name: &str, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
    let first = operands[0];
    let [rows @ .., Dim::Fixed(1..)] = &first.shape.0[..] else {
        return Err(TypeError::operand(0, format!("{name} expects an f32 tensor of shape [..,c], got {first}")));
    };
    if first.dtype != DType::F32 {
        return Err(TypeError::operand(0, format!("{name} expects an f32 tensor of shape [..,c], got {first}")));
    }
    match operands.iter().position(|operand| *operand != first) {
        Some(other) => Err(TypeError::operand(
            other,
            format!("{name} expects tensors of one type, got {first} and {}", operands[other]),
        )),
        None => Ok(TensorType::f32(Shape(rows.to_vec()))),
    }
}

/// The distance of every row of `a` from that of `b`.
pub(super) fn eval<R: Real>(a: &Tensor<R>, b: &Tensor<R>) -> Vec<R> {
    let c = *a.shape.last().expect("rows");
    let distance = |(a, b): (&[R], &[R])| {
        let squares = a.iter().zip(b).map(|(&a, &b)| a - b + R::from_f64(LEAST)).map(|d| d * d);
        squares.fold(R::zero(), |sum, square| sum + square).sqrt()
    };
    a.data.chunks(c).zip(b.data.chunks(c)).map(distance).collect()
}
