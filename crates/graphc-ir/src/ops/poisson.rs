//! `poisson`: the loss of predicted rates against counts.

use super::draw::{Draw, Drawn};
use super::facts::{Domain, LossUsage};
use super::{Expand, Log, OpRules, losses};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

/// Added to rates before the logarithm, as in Keras, so that a rate of 0 is not infinitely bad.
const LEAST_RATE: f64 = 1e-7;

op_struct! {
    /// The mean of `p - t * log(p + 1e-7)` over all elements, as in Keras: what the logarithm of the Poisson
    /// distribution with the rate `p` lacks for the count `t`, up to a number that depends on `t` alone.
    pub struct Poisson {}
}

impl OpRules for Poisson {
    const NAME: &'static str = "poisson";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "mean of `prediction - target * log(prediction)`, from (rates, counts[, weights])";
    const LOSS: Option<LossUsage> = Some(LossUsage {
        doc: "Mean of `prediction - target * log(prediction + 1e-7)`, of rates greater than 0 (after `exp` or `softplus`) and counts; the target \
              has the prediction's shape.",
        ..LossUsage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        losses::infer(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        losses::eval(operands, |p, t| p - t * (p + R::from_f64(LEAST_RATE)).ln())
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [p, t] = [cx.operands[0], cx.operands[1]];
        let least = cx.constant(LEAST_RATE);
        let rate = cx.plus(p, least);
        let log = cx.add(Log {}, &[rate]);
        let expected = cx.times(t, log);
        let terms = cx.minus(p, expected);
        losses::mean(cx, terms)
    }

    fn domain(&self, operand: usize, _: &[&TensorType]) -> Domain {
        if operand == 0 { Domain::AtLeast(0.25) } else { Domain::Any }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        Some(Drawn::of(Poisson {}, losses::draw(draw)?))
    }
}
