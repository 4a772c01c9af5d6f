//! `mean_squared_error`: the loss of predicted values against targets.

use super::draw::{Draw, Drawn};
use super::facts::LossUsage;
use super::{Expand, OpRules, losses};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// The mean of `(prediction - target)^2` over all elements.
    pub struct MeanSquaredError {}
}

impl OpRules for MeanSquaredError {
    const NAME: &'static str = "mean_squared_error";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "mean squared difference, from (prediction, target[, weights])";
    const LOSS: Option<LossUsage> = Some(LossUsage {
        doc: "Mean of the squared differences; the target has the prediction's shape.",
        ..LossUsage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        losses::infer(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        losses::eval(operands, |p, t| (p - t) * (p - t))
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let difference = cx.minus(cx.operands[0], cx.operands[1]);
        let square = cx.times(difference, difference);
        losses::mean(cx, square)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        Some(Drawn::of(MeanSquaredError {}, losses::draw(draw)?))
    }
}
