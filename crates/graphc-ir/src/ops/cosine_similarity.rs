//! `cosine_similarity`: how far directions of rows are from the same.

use super::draw::{Draw, Drawn};
use super::facts::{Domain, LossUsage};
use super::{Expand, Maximum, OpRules, Rsqrt, losses};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

/// Squares of lengths below this one count as it, as in Keras, so that a row of zeros is similar to none.
const LEAST_SQUARE: f64 = 1e-12;

op_struct! {
    /// Minus the cosine of the angle between rows along the last dimension, the mean over all of them: -1 where they
    /// have the same direction, 1 where they have opposite ones, as in Keras. `-sum(p * t) / (|p| * |t|)`, where the
    /// square of a length is at least 1e-12: a row of zeros gives 0.
    pub struct CosineSimilarity {}
}

impl OpRules for CosineSimilarity {
    const NAME: &'static str = "cosine_similarity";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "minus the mean cosine of rows, from (prediction, target[, weights])";
    const LOSS: Option<LossUsage> = Some(LossUsage {
        doc: "Minus the mean cosine of the angle between rows of prediction and target along the last dimension: -1 is the same direction, 1 the \
              opposite one; lengths do not matter. The target has the prediction's shape.",
        ..LossUsage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        losses::infer_rows(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        let dot = |a: &[R], b: &[R]| a.iter().zip(b).fold(R::zero(), |sum, (&a, &b)| sum + a * b);
        losses::eval_rows(operands, |p, t| {
            let [of_p, of_t] = [p, t].map(|x| {
                let (square, least) = (dot(x, x), R::from_f64(LEAST_SQUARE));
                (if square < least { least } else { square }).sqrt()
            });
            -dot(p, t) / of_p / of_t
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [p, t] = [cx.operands[0], cx.operands[1]];
        let last = [cx.ty(p).rank() - 1];
        let mut dot = |a: NodeId, b: NodeId| {
            let products = cx.times(a, b);
            cx.sum(products, &last, false)
        };
        let (product, squares) = (dot(p, t), [dot(p, p), dot(t, t)]);
        let least = cx.constant(LEAST_SQUARE);
        let [of_p, of_t] = squares.map(|square| {
            let square = cx.add(Maximum {}, &[square, least]);
            cx.add(Rsqrt {}, &[square])
        });
        let product = cx.times(product, of_p);
        let cosine = cx.times(product, of_t);
        let terms = cx.negative(cosine);
        losses::mean(cx, terms)
    }

    fn domain(&self, operand: usize, _: &[&TensorType]) -> Domain {
        // The direction of a row near 0 jumps.
        if operand < 2 { Domain::AtLeast(0.25) } else { Domain::Any }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        Some(Drawn::of(CosineSimilarity {}, losses::draw_rows(draw)?))
    }
}
