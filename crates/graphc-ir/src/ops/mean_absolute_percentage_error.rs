//! `mean_absolute_percentage_error`: the loss of relative differences.

use super::draw::{Draw, Drawn};
use super::facts::{Domain, LossUsage};
use super::{Abs, Expand, Maximum, OpRules, losses};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

/// Sizes of targets below this one count as it, as in Keras.
const LEAST_SIZE: f64 = 1e-7;

op_struct! {
    /// 100 times the mean of `|t - p| / max(|t|, 1e-7)` over all elements, as in Keras.
    pub struct MeanAbsolutePercentageError {}
}

impl OpRules for MeanAbsolutePercentageError {
    const NAME: &'static str = "mean_absolute_percentage_error";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "mean absolute difference in percent of the target, from (prediction, target[, weights])";
    const LOSS: Option<LossUsage> = Some(LossUsage {
        doc: "Mean of the absolute differences in percent of the target's size, which is taken for at least 1e-7; the target has the \
              prediction's shape.",
        ..LossUsage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        losses::infer(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        losses::eval(operands, |p, t| {
            let (size, least) = (t.abs(), R::from_f64(LEAST_SIZE));
            R::from_f64(100.0) * ((t - p) / if size < least { least } else { size }).abs()
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [p, t] = [cx.operands[0], cx.operands[1]];
        let difference = cx.minus(t, p);
        let size = cx.add(Abs {}, &[t]);
        let least = cx.constant(LEAST_SIZE);
        let size = cx.add(Maximum {}, &[size, least]);
        let ratio = cx.over(difference, size);
        let ratio = cx.add(Abs {}, &[ratio]);
        let terms = cx.scaled(ratio, 100.0);
        losses::mean(cx, terms)
    }

    fn domain(&self, operand: usize, _: &[&TensorType]) -> Domain {
        if operand == 1 { Domain::AtLeast(0.25) } else { Domain::Any }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        Some(Drawn::of(MeanAbsolutePercentageError {}, losses::draw(draw)?))
    }
}
