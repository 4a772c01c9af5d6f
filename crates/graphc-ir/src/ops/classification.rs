//! What the classification losses share: rows of scores, one label each.

use super::draw::{Draw, Operand, labels_of};
use super::facts::Domain;
use super::{OneHot, Pick, ReduceMean};
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

/// Labels, the second operand, are numbers of classes.
pub(super) fn domain(operand: usize, operands: &[&TensorType]) -> Domain {
    match operands[0].shape.0.last() {
        Some(&Dim::Fixed(n_classes)) if operand == 1 && operands[1].dtype == DType::I32 => Domain::Below(n_classes),
        _ => Domain::Any,
    }
}

/// Scores and labels.
pub(super) fn draw(draw: &mut dyn Draw) -> Option<[Operand; 2]> {
    let scores = draw.tensor(&|shape| shape.rank() == 2 && shape.0[1] != Dim::Batch)?;
    let labels = draw.integers(labels_of(&scores));
    Some([scores, labels])
}

/// The labels as rows of the scores' shape.
pub(super) fn one_hot(cx: &mut OpCx<'_>) -> NodeId {
    let [scores, labels] = [cx.operands[0], cx.operands[1]];
    let Dim::Fixed(depth) = cx.ty(scores).shape.0[1] else { unreachable!("`infer` wants a fixed number of classes") };
    cx.add(OneHot { depth }, &[labels])
}

/// The elements of rows that the labels name.
pub(super) fn picked(cx: &mut OpCx<'_>, rows: NodeId) -> NodeId {
    let labels = cx.operands[1];
    cx.add(Pick {}, &[rows, labels])
}

/// Minus the mean of one number a row.
pub(super) fn negative_mean(cx: &mut OpCx<'_>, terms: NodeId) -> NodeId {
    // The other way round a loss of 0 would be -0.
    let terms = cx.negative(terms);
    cx.add(ReduceMean { axes: vec![0], keep_dims: false }, &[terms])
}

/// `term(row, label)` of every row; NaN if a label is not a class.
pub(super) fn terms<R: Real>(
    scores: &Tensor<R>,
    labels: &Tensor<R>,
    term: impl Fn(&[R], usize) -> R,
) -> impl ExactSizeIterator<Item = R> {
    let c = scores.shape[1];
    scores.data.chunks(c).zip(&labels.data).map(move |(row, label)| {
        let label = label.widen();
        let is_class = (0.0..c as f64).contains(&label);
        if is_class { term(row, label as usize) } else { R::nan() }
    })
}
