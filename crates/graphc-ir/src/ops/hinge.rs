//! `hinge`: the loss of a margin (of support vector machines).

use super::draw::{Draw, Drawn};
use super::facts::{Domain, LossUsage};
use super::{Expand, OpRules, Relu, hinges, losses};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// The mean of `max(1 - t * p, 0)` over all elements.
    ///
    /// The target is 1 or -1; a 0 counts as -1, so that targets of yes and no as 1 and 0 will do (Keras does the same).
    pub struct Hinge {}
}

impl OpRules for Hinge {
    const NAME: &'static str = "hinge";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "mean of `max(1 - target * prediction, 0)`, from (prediction, target[, weights])";
    const LOSS: Option<LossUsage> = Some(LossUsage {
        doc: "Mean of `max(1 - target * prediction, 0)`; the target has the prediction's shape and is 1 or -1, where 0 counts as -1. The \
              prediction is any number, without an activation: its sign says yes or no.",
        ..LossUsage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        losses::infer(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        losses::eval(operands, hinges::lack)
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [p, t] = [cx.operands[0], cx.operands[1]];
        let difference = hinges::difference(cx, p, t);
        let terms = cx.add(Relu {}, &[difference]);
        losses::mean(cx, terms)
    }

    fn domain(&self, operand: usize, _: &[&TensorType]) -> Domain {
        hinges::domain(operand)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        Some(Drawn::of(Hinge {}, losses::draw(draw)?))
    }
}
