//! `huber`: the loss that is a square near the target and a line far from it (Huber 1964).

use super::draw::{Draw, Drawn};
use super::facts::LossUsage;
use super::{Clamp, Expand, OpRules, losses};
use crate::attrs::AttrValue;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// The mean over all elements of `d^2 / 2` where `|d| <= delta`, else `delta * (|d| - delta / 2)`, with
    /// `d = prediction - target`.
    pub struct Huber {
        /// The difference from which on the loss is a line.
        pub delta: f64 where Positive,
    }
}

impl OpRules for Huber {
    const NAME: &'static str = "huber";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "mean Huber loss, from (prediction, target[, weights])";
    const LOSS: Option<LossUsage> = Some(LossUsage {
        doc: "Mean of `d^2 / 2` for differences `d` of at most `delta`, else of `delta * (|d| - delta / 2)`; the target has the prediction's \
              shape.",
        optional: &[("delta", AttrValue::Float(1.0))],
        ..LossUsage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        losses::infer(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        let delta = R::from_f64(self.delta);
        let half = R::from_f64(0.5);
        losses::eval(operands, |p, t| {
            let size = (p - t).abs();
            if size > delta { delta * (size - half * delta) } else { half * size * size }
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        // With c = clamp(d) it is c * (d - c / 2): d * d / 2 inside, as exact, and a line outside. The gradient is c.
        let difference = cx.minus(cx.operands[0], cx.operands[1]);
        let clamped = cx.add(Clamp { limit: self.delta }, &[difference]);
        let half = cx.scaled(clamped, 0.5);
        let rest = cx.minus(difference, half);
        let terms = cx.times(clamped, rest);
        losses::mean(cx, terms)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let delta = [1.5, 0.75][draw.pick(2)];
        Some(Drawn::of(Huber { delta }, losses::draw(draw)?))
    }
}
