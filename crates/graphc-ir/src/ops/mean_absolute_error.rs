//! `mean_absolute_error`: the loss of predicted values that outliers move less than squares do.

use super::draw::{Draw, Drawn};
use super::facts::LossUsage;
use super::{Abs, Expand, OpRules, losses};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// The mean of `|prediction - target|` over all elements. Its gradient is 0 where they are equal.
    pub struct MeanAbsoluteError {}
}

impl OpRules for MeanAbsoluteError {
    const NAME: &'static str = "mean_absolute_error";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "mean absolute difference, from (prediction, target[, weights])";
    const LOSS: Option<LossUsage> = Some(LossUsage {
        doc: "Mean of the absolute differences, which outliers move less; the target has the prediction's shape.",
        ..LossUsage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        losses::infer(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        losses::eval(operands, |p, t| (p - t).abs())
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let difference = cx.minus(cx.operands[0], cx.operands[1]);
        let size = cx.add(Abs {}, &[difference]);
        losses::mean(cx, size)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        Some(Drawn::of(MeanAbsoluteError {}, losses::draw(draw)?))
    }
}
