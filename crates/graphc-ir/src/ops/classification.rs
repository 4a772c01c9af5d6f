//! What the classification losses share: rows of scores, one label each.

use super::{OneHot, ReduceMean};
use crate::graph::{NodeId, OpCx};
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

/// A scalar, from scores `[N,c]` and labels `[N]`.
pub(super) fn infer(name: &str, scores: &str, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
    let [rows, labels] = [operands[0], operands[1]];
    if rows.dtype != DType::F32 || rows.rank() != 2 || !matches!(rows.shape.0[1], Dim::Fixed(1..)) {
        return Err(TypeError::operand(0, format!("{name} expects f32 {scores} of shape [N,c], got {rows}")));
    }
    let expected = TensorType::i32(Shape(vec![rows.shape.0[0]]));
    if *labels != expected {
        return Err(TypeError::operand(
            1,
            format!("{name} expects labels of type {expected} for {scores} {rows}, got {labels}"),
        ));
    }
    Ok(TensorType::f32(Shape::scalar()))
}

/// The labels as rows of the scores' shape.
pub(super) fn one_hot(cx: &mut OpCx<'_>) -> NodeId {
    let [scores, labels] = [cx.operands[0], cx.operands[1]];
    let Dim::Fixed(depth) = cx.ty(scores).shape.0[1] else { unreachable!("`infer` wants a fixed number of classes") };
    cx.add(OneHot { depth }, &[labels])
}

/// Minus the mean over rows of the sum along a row.
pub(super) fn negative_mean_of_row_sums(cx: &mut OpCx<'_>, terms: NodeId) -> NodeId {
    let rows = cx.sum(terms, &[1], false);
    let mean = cx.add(ReduceMean { axes: vec![0], keep_dims: false }, &[rows]);
    cx.negative(mean)
}

/// The mean over rows of `term(row, label)`; a label that is not a class adds nothing.
pub(super) fn eval_mean<R: Real>(operands: &[&Tensor<R>], term: impl Fn(&[R], usize) -> R) -> Tensor<R> {
    let [scores, labels] = [operands[0], operands[1]];
    let c = scores.shape[1];
    let mut sum = R::zero();
    for (row, label) in scores.data.chunks(c).zip(&labels.data) {
        let label = label.widen();
        if (0.0..c as f64).contains(&label) {
            sum = sum + term(row, label as usize);
        }
    }
    Tensor::new(Vec::new(), vec![sum / R::from_f64(scores.shape[0] as f64)])
}
