//! What losses share: a number for every element or sample, weighted if there are weights, and the mean of all.
//!
//! A weighted loss has one operand more, a weight for each sample or for each term: `mean of w[n, ..] * term[n, ..]`
//! over all terms, so the sum is divided by the number of terms and not by the sum of the weights (as in Keras).
//! Where terms are masked out, the divisor is the number of those that count (as in PyTorch).

use super::draw::{Draw, Operand};
use super::{ReduceMean, ReduceSum, reduction};
use crate::graph::{NodeId, OpCx};
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

/// A scalar, from an f32 prediction, a target of its type, and perhaps weights of its elements.
pub(super) fn infer(name: &str, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
    check_compared(name, operands)?;
    scalar(name, operands, &operands[0].shape)
}

/// The same of a loss with one number for each row along the last dimension, of fixed size.
pub(super) fn infer_rows(name: &str, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
    check_compared(name, operands)?;
    let [rows @ .., Dim::Fixed(_)] = &operands[0].shape.0[..] else {
        return Err(TypeError::operand(0, format!("{name} expects predictions of shape [..,c], got {}", operands[0])));
    };
    scalar(name, operands, &Shape(rows.to_vec()))
}

/// The type of every loss whose terms have that shape, which the weights must fit.
pub(super) fn scalar(name: &str, operands: &[&TensorType], terms: &Shape) -> Result<TensorType, TypeError> {
    check_weights(name, operands, terms)?;
    Ok(TensorType::f32(Shape::scalar()))
}

fn check_compared(name: &str, operands: &[&TensorType]) -> Result<(), TypeError> {
    let [prediction, target] = [operands[0], operands[1]];
    if prediction.dtype != DType::F32 || prediction.shape.0.contains(&Dim::Fixed(0)) {
        return Err(TypeError::operand(
            0,
            format!("{name} expects f32 predictions without empty dimensions, got {prediction}"),
        ));
    }
    if target != prediction {
        return Err(TypeError::operand(
            1,
            format!("{name} expects a target of the prediction's type {prediction}, got {target}"),
        ));
    }
    Ok(())
}

/// Weights are f32 and have the first dimensions of the terms: one for each sample, …, one for each term.
fn check_weights(name: &str, operands: &[&TensorType], terms: &Shape) -> Result<(), TypeError> {
    let Some(weights) = operands.get(2) else { return Ok(()) };
    let expected: Vec<TensorType> =
        (1..=terms.rank()).map(|rank| TensorType::f32(Shape(terms.0[..rank].to_vec()))).collect();
    if expected.contains(weights) {
        return Ok(());
    }
    let message = match expected.is_empty() {
        true => format!("{name} takes no weights for a scalar, got {weights}"),
        false => {
            let expected: Vec<String> = expected.iter().map(TensorType::to_string).collect();
            format!("{name} expects weights of type {} for {}, got {weights}", expected.join(" or "), operands[0])
        }
    };
    Err(TypeError::operand(2, message))
}

/// A prediction, a target, and perhaps weights.
pub(super) fn draw(draw: &mut dyn Draw) -> Option<Vec<Operand>> {
    let prediction = draw.any()?;
    Some(compared(draw, prediction, 0))
}

/// The same of a loss of rows.
pub(super) fn draw_rows(draw: &mut dyn Draw) -> Option<Vec<Operand>> {
    let prediction = draw.rows(1)?;
    Some(compared(draw, prediction, 1))
}

fn compared(draw: &mut dyn Draw, prediction: Operand, n_classes: usize) -> Vec<Operand> {
    let target = draw.given(prediction.ty.clone());
    let rank = prediction.ty.rank() - n_classes;
    let weights = weights(draw, &Shape(prediction.shape().0[..rank].to_vec()));
    [prediction, target].into_iter().chain(weights).collect()
}

/// Perhaps weights of terms of that shape.
pub(super) fn weights(draw: &mut dyn Draw, terms: &Shape) -> Option<Operand> {
    if terms.rank() == 0 || !draw.flag() {
        return None;
    }
    let rank = 1 + draw.pick(terms.rank());
    Some(draw.given(TensorType::f32(Shape(terms.0[..rank].to_vec()))))
}

/// The mean of all terms, each times the weight of its sample if there are weights.
pub(super) fn mean(cx: &mut OpCx<'_>, terms: NodeId) -> NodeId {
    let terms = weighted(cx, terms);
    let axes: Vec<usize> = (0..cx.ty(terms).rank()).collect();
    match axes.is_empty() {
        true => terms,
        false => cx.add(ReduceMean { axes, keep_dims: false }, &[terms]),
    }
}

/// The same of the terms that count: those where the mask is 1 and not 0, where they are 0. NaN if none counts.
pub(super) fn mean_of(cx: &mut OpCx<'_>, terms: NodeId, mask: Option<NodeId>) -> NodeId {
    let Some(mask) = mask else { return mean(cx, terms) };
    let terms = weighted(cx, terms);
    let axes: Vec<usize> = (0..cx.ty(terms).rank()).collect();
    let [sum, count] = [terms, mask].map(|x| cx.add(ReduceSum { axes: axes.clone(), keep_dims: false }, &[x]));
    cx.over(sum, count)
}

fn weighted(cx: &mut OpCx<'_>, terms: NodeId) -> NodeId {
    let Some(weights) = cx.operands.get(2).copied() else { return terms };
    let shape = cx.ty(terms).shape;
    let repeated: Vec<usize> = (cx.ty(weights).rank()..shape.rank()).collect();
    let weights = cx.reshaped(weights, &reduction::kept_shape(&shape, &repeated));
    cx.times(terms, weights)
}

/// The mean of terms in row-major order.
pub(super) fn eval_mean<R: Real>(operands: &[&Tensor<R>], terms: impl ExactSizeIterator<Item = R>) -> Tensor<R> {
    let n_terms = terms.len();
    eval_mean_of(operands, terms, n_terms)
}

/// The sum of terms in row-major order, divided by the number of those that count.
pub(super) fn eval_mean_of<R: Real>(
    operands: &[&Tensor<R>],
    terms: impl ExactSizeIterator<Item = R>,
    n_counted: usize,
) -> Tensor<R> {
    let n_terms = terms.len();
    let weights = operands.get(2).map(|weights| weights.data.as_slice());
    // Terms of one weight stand together.
    let per_weight = n_terms / weights.map_or(1, <[R]>::len).max(1);
    let weighted = |(i, term): (usize, R)| weights.map_or(term, |weights| term * weights[i / per_weight]);
    let sum = terms.enumerate().map(weighted).fold(R::zero(), |sum, term| sum + term);
    Tensor::new(Vec::new(), vec![sum / R::from_f64(n_counted as f64)])
}

/// The mean of `term(prediction, target)` over all elements.
pub(super) fn eval<R: Real>(operands: &[&Tensor<R>], term: impl Fn(R, R) -> R) -> Tensor<R> {
    let [prediction, target] = [operands[0], operands[1]];
    eval_mean(operands, prediction.data.iter().zip(&target.data).map(|(&p, &t)| term(p, t)))
}

/// The mean of `term(prediction, target)` over all rows along the last dimension.
pub(super) fn eval_rows<R: Real>(operands: &[&Tensor<R>], term: impl Fn(&[R], &[R]) -> R) -> Tensor<R> {
    let [prediction, target] = [operands[0], operands[1]];
    let c = *prediction.shape.last().expect("rows");
    eval_mean(operands, prediction.data.chunks(c).zip(target.data.chunks(c)).map(|(p, t)| term(p, t)))
}
