//! `categorical_hinge`: the margin between the score of the class and the best of the others.

use super::draw::{Draw, Drawn};
use super::facts::{LossUsage, Predicted};
use super::{Expand, OpRules, ReduceMax, Relu, losses, reduction};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `max(1 + max over c of (1 - t[.., c]) * p[.., c] - sum over c of t[.., c] * p[.., c], 0)`, the mean over all
    /// rows along the last dimension, as in Keras. The target is one-hot.
    pub struct CategoricalHinge {}
}

impl OpRules for CategoricalHinge {
    const NAME: &'static str = "categorical_hinge";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "mean margin between the class and the best other one, from (scores, one-hot target[, weights])";
    const LOSS: Option<LossUsage> = Some(LossUsage {
        doc: "Mean over all rows along the last dimension of `max(1 + max((1 - target) * prediction) - sum(target * prediction), 0)`, of scores \
              of any size; the target has the prediction's shape and is one-hot (`one_hot` in `preprocess`).",
        of: Predicted::Classes,
        ..LossUsage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        losses::infer_rows(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        losses::eval_rows(operands, |p, t| {
            let pairs = || p.iter().zip(t);
            let own = pairs().fold(R::zero(), |sum, (&p, &t)| sum + t * p);
            let others = pairs().map(|(&p, &t)| (R::one() - t) * p);
            let other = others.fold(R::neg_infinity(), |max, x| reduction::maximum(x, max));
            let lack = R::one() + other - own;
            if lack < R::zero() { R::zero() } else { lack }
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [p, t] = [cx.operands[0], cx.operands[1]];
        let axes = vec![cx.ty(p).rank() - 1];
        let own = cx.times(t, p);
        let own = cx.sum(own, &axes, false);
        let one = cx.constant(1.0);
        let not_t = cx.minus(one, t);
        let others = cx.times(not_t, p);
        let other = cx.add(ReduceMax { axes, keep_dims: false }, &[others]);
        let more = cx.plus(one, other);
        let lack = cx.minus(more, own);
        let terms = cx.add(Relu {}, &[lack]);
        losses::mean(cx, terms)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        Some(Drawn::of(CategoricalHinge {}, losses::draw_rows(draw)?))
    }
}
