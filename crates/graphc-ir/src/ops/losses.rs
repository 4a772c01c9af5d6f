//! What losses share: a number for every element or sample, weighted if there are weights, and the mean of all.
//!
//! A weighted loss has one operand more, a weight for each sample: `mean of w[n] * term[n, ..]` over all terms, so
//! the sum is divided by the size of the batch and not by the sum of the weights (as in Keras).

use super::draw::{Draw, Operand};
use super::{ReduceMean, reduction};
use crate::graph::{NodeId, OpCx};
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

/// A scalar, from an f32 prediction, a target of its type, and perhaps weights.
pub(super) fn infer(name: &str, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
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
    check_weights(name, operands)?;
    Ok(TensorType::f32(Shape::scalar()))
}

/// Weights are f32, one for each entry of the prediction's first dimension.
pub(super) fn check_weights(name: &str, operands: &[&TensorType]) -> Result<(), TypeError> {
    let Some(weights) = operands.get(2) else { return Ok(()) };
    let expected = operands[0].shape.0.first().map(|&first| TensorType::f32(Shape(vec![first])));
    match expected {
        Some(expected) if **weights == expected => Ok(()),
        Some(expected) => Err(TypeError::operand(
            2,
            format!("{name} expects weights of type {expected} for {}, got {weights}", operands[0]),
        )),
        None => Err(TypeError::operand(2, format!("{name} takes no weights for a scalar, got {weights}"))),
    }
}

/// A prediction, a target, and perhaps weights.
pub(super) fn draw(draw: &mut dyn Draw) -> Option<Vec<Operand>> {
    let prediction = draw.any()?;
    let target = draw.given(prediction.ty.clone());
    let samples = prediction.shape().0.first().copied().filter(|_| draw.flag());
    let weights = samples.map(|samples| draw.given(TensorType::f32(Shape(vec![samples]))));
    Some([prediction, target].into_iter().chain(weights).collect())
}

/// The mean of all terms, each times the weight of its sample if there are weights.
pub(super) fn mean(cx: &mut OpCx<'_>, terms: NodeId) -> NodeId {
    let shape = cx.ty(terms).shape;
    let axes: Vec<usize> = (0..shape.rank()).collect();
    let terms = match cx.operands.get(2).copied() {
        Some(weights) => {
            let weights = cx.reshaped(weights, &reduction::kept_shape(&shape, &axes[1..]));
            cx.times(terms, weights)
        }
        None => terms,
    };
    match axes.is_empty() {
        true => terms,
        false => cx.add(ReduceMean { axes, keep_dims: false }, &[terms]),
    }
}

/// The mean of terms in row-major order.
pub(super) fn eval_mean<R: Real>(operands: &[&Tensor<R>], terms: impl ExactSizeIterator<Item = R>) -> Tensor<R> {
    let n_terms = terms.len();
    let weights = operands.get(2).map(|weights| weights.data.as_slice());
    // Terms of one sample stand together.
    let per_sample = n_terms / weights.map_or(1, <[R]>::len).max(1);
    let weighted = |(i, term): (usize, R)| weights.map_or(term, |weights| term * weights[i / per_sample]);
    let sum = terms.enumerate().map(weighted).fold(R::zero(), |sum, term| sum + term);
    Tensor::new(Vec::new(), vec![sum / R::from_f64(n_terms as f64)])
}

/// The mean of `term(prediction, target)` over all elements.
pub(super) fn eval<R: Real>(operands: &[&Tensor<R>], term: impl Fn(R, R) -> R) -> Tensor<R> {
    let [prediction, target] = [operands[0], operands[1]];
    eval_mean(operands, prediction.data.iter().zip(&target.data).map(|(&p, &t)| term(p, t)))
}
