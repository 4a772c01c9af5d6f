//! `kl_divergence`: how much predicted probabilities differ from given ones.

use super::draw::{Draw, Drawn};
use super::facts::{Domain, LossUsage, Predicted};
use super::{Expand, OpRules, Xlogy, losses, zero_wins};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `sum over c of t[.., c] * log(t[.., c] / p[.., c])` (Kullback and Leibler), the mean over all rows along the
    /// last dimension. A term whose `t` is 0 is 0. After a `softmax` the algebraic rules make it stable. Nothing is
    /// clipped: with `t` greater than 0 where `p` is 0 it is infinite (Keras clips both to 1e-7).
    pub struct KlDivergence {}
}

impl OpRules for KlDivergence {
    const NAME: &'static str = "kl_divergence";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "mean Kullback-Leibler divergence, from (probabilities, target probabilities[, weights])";
    const LOSS: Option<LossUsage> = Some(LossUsage {
        doc: "Mean over all rows along the last dimension of `sum(target * log(target / prediction))`, of probabilities; the target has the \
              prediction's shape. Its gradient is that of the cross-entropy, but it is 0 where both are the same.",
        of: Predicted::Classes,
        ..LossUsage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        losses::infer_rows(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        let term = |(&p, &t): (&R, &R)| {
            zero_wins::scalar(t, t, |t, log| t * log.ln()) - zero_wins::scalar(t, p, |t, p| t * p.ln())
        };
        losses::eval_rows(operands, |p, t| p.iter().zip(t).map(term).fold(R::zero(), |sum, x| sum + x))
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [p, t] = [cx.operands[0], cx.operands[1]];
        let [of_target, of_prediction] = [t, p].map(|x| cx.add(Xlogy {}, &[t, x]));
        let shares = cx.minus(of_target, of_prediction);
        let last = cx.ty(p).rank() - 1;
        let terms = cx.sum(shares, &[last], false);
        losses::mean(cx, terms)
    }

    fn domain(&self, operand: usize, _: &[&TensorType]) -> Domain {
        if operand < 2 { Domain::Share } else { Domain::Any }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        Some(Drawn::of(KlDivergence {}, losses::draw_rows(draw)?))
    }
}
