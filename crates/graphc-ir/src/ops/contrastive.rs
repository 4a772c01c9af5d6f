//! `contrastive`: the loss of distances between pairs (Hadsell, Chopra, LeCun 2006).

use super::draw::{Draw, Drawn};
use super::facts::{LossUsage};
use super::{Expand, OpRules, Relu, losses};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// The mean of `t * d^2 + (1 - t) * max(margin - d, 0)^2` over all elements, of distances `d` and a target `t` of 1
    /// for pairs that belong together and 0 for pairs that do not.
    pub struct Contrastive {
        /// The distance from which on pairs that differ cost nothing.
        pub margin: f64 where Positive = 1.0,
    }
}

impl OpRules for Contrastive {
    const NAME: &'static str = "contrastive";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "mean contrastive loss, from (distances, 1 for equal and 0 for different pairs[, weights])";
    const LOSS: Option<LossUsage> = Some(LossUsage {
        doc: "Mean of `d^2` where the target is 1 and of `max(margin - d, 0)^2` where it is 0, of distances `d` such as `pairwise_distance` gives: \
              pairs that belong together come near to each other, others apart; the target has the prediction's shape.",
        ..LossUsage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        losses::infer(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        let margin = R::from_f64(self.margin);
        losses::eval(operands, |d, t| {
            let lack = if margin < d { R::zero() } else { margin - d };
            t * d * d + (R::one() - t) * lack * lack
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [d, t] = [cx.operands[0], cx.operands[1]];
        let (one, margin) = (cx.constant(1.0), cx.constant(self.margin));
        let lack = cx.minus(margin, d);
        let lack = cx.add(Relu {}, &[lack]);
        let [near, far] = [d, lack].map(|x| cx.times(x, x));
        let not_t = cx.minus(one, t);
        let [near, far] = [(t, near), (not_t, far)].map(|(share, square)| cx.times(share, square));
        let terms = cx.plus(near, far);
        losses::mean(cx, terms)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        Some(Drawn::of(Contrastive { margin: [1.0, 2.5][draw.pick(2)] }, losses::draw(draw)?))
    }
}
