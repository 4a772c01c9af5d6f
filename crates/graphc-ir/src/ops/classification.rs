//! What the classification losses share: rows of scores along the last dimension, one label each.

use super::draw::{Draw, Operand, labels_of};
use super::facts::Domain;
use super::{LabelMask, OneHot, Pick, ReduceMean, losses};
use crate::graph::{NodeId, OpCx};
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

/// A scalar, from scores `[N,..,c]` and labels `[N,..]`.
pub(super) fn infer(name: &str, scores: &str, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
    let [rows, labels] = [operands[0], operands[1]];
    check_rows(name, scores, rows)?;
    let expected = TensorType::i32(shape_of_labels(rows));
    if *labels != expected {
        return Err(TypeError::operand(
            1,
            format!("{name} expects labels of type {expected} for {scores} {rows}, got {labels}"),
        ));
    }
    Ok(TensorType::f32(Shape::scalar()))
}

/// Refuses what is no rows of scores.
pub(super) fn check_rows(name: &str, scores: &str, rows: &TensorType) -> Result<(), TypeError> {
    let has_rows = rows.rank() >= 2 && matches!(rows.shape.0.last(), Some(Dim::Fixed(1..)));
    if rows.dtype == DType::F32 && has_rows && !rows.shape.0.contains(&Dim::Fixed(0)) {
        return Ok(());
    }
    Err(TypeError::operand(0, format!("{name} expects f32 {scores} of shape [N,..,c], got {rows}")))
}

/// One for each row.
pub(super) fn shape_of_labels(rows: &TensorType) -> Shape {
    Shape(rows.shape.0[..rows.rank() - 1].to_vec())
}

/// Number of classes.
pub(super) fn n_classes(rows: &TensorType) -> usize {
    match rows.shape.0.last() {
        Some(&Dim::Fixed(n_classes)) => n_classes,
        _ => unreachable!("`check_rows` wants a fixed number of classes"),
    }
}

/// Where a label does not count there must be labels.
pub(super) fn check_ignored(name: &str, ignored: Option<i32>, target: &TensorType) -> Result<(), TypeError> {
    match ignored {
        Some(_) if target.dtype != DType::I32 => {
            Err(TypeError::operand(1, format!("{name} with an `ignore_label` expects i32 labels, got {target}")))
        }
        _ => Ok(()),
    }
}

/// Labels, the second operand, are numbers of classes, or that which does not count.
pub(super) fn domain_or(ignored: Option<i32>, operand: usize, operands: &[&TensorType]) -> Domain {
    match (domain(operand, operands), ignored) {
        (Domain::Below(end), Some(other)) => Domain::BelowOr { end, other },
        (domain, _) => domain,
    }
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
    let scores = draw.rows(2)?;
    let labels = draw.integers(labels_of(&scores));
    Some([scores, labels])
}

/// The labels as rows of the scores' shape.
pub(super) fn one_hot(cx: &mut OpCx<'_>) -> NodeId {
    let [scores, labels] = [cx.operands[0], cx.operands[1]];
    let depth = n_classes(&cx.ty(scores));
    cx.add(OneHot { depth }, &[labels])
}

/// The elements of rows that the labels name.
pub(super) fn picked(cx: &mut OpCx<'_>, rows: NodeId) -> NodeId {
    let labels = cx.operands[1];
    cx.add(Pick {}, &[rows, labels])
}

/// 1 for each row that counts, 0 where the label is `ignored`; nothing if all count.
pub(super) fn mask(cx: &mut OpCx<'_>, ignored: Option<i32>) -> Option<NodeId> {
    let labels = cx.operands[1];
    ignored.map(|ignored| cx.add(LabelMask { ignored }, &[labels]))
}

/// Minus the mean of one number a row.
pub(super) fn negative_mean(cx: &mut OpCx<'_>, terms: NodeId) -> NodeId {
    // The other way round a loss of 0 would be -0.
    let terms = cx.negative(terms);
    let axes = (0..cx.ty(terms).rank()).collect();
    cx.add(ReduceMean { axes, keep_dims: false }, &[terms])
}

/// The mean of `term(row, label)` over the rows whose label is not ignored, each times its weight.
pub(super) fn eval_mean<R: Real>(
    ignored: Option<i32>,
    operands: &[&Tensor<R>],
    term: impl Fn(&[R], usize) -> R,
) -> Tensor<R> {
    let is_ignored = |label: &R| ignored.is_some_and(|ignored| label.widen() == f64::from(ignored));
    let labels = &operands[1].data;
    let terms = terms(operands[0], operands[1], term).zip(labels);
    let terms: Vec<R> = terms.map(|(term, label)| if is_ignored(label) { R::zero() } else { term }).collect();
    let n_counted = labels.iter().filter(|label| !is_ignored(label)).count();
    losses::eval_mean_of(operands, terms.into_iter(), n_counted)
}

/// `term(row, label)` of every row; NaN if a label is not a class.
pub(super) fn terms<R: Real>(
    scores: &Tensor<R>,
    labels: &Tensor<R>,
    term: impl Fn(&[R], usize) -> R,
) -> impl ExactSizeIterator<Item = R> {
    let c = *scores.shape.last().expect("rows of classes");
    scores.data.chunks(c).zip(&labels.data).map(move |(row, label)| {
        let label = label.widen();
        let is_class = (0.0..c as f64).contains(&label);
        if is_class { term(row, label as usize) } else { R::nan() }
    })
}
