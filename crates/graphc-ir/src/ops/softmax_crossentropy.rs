//! `softmax_crossentropy`: the loss of logits against labels.

use super::draw::{Draw, Drawn};
use super::facts::Domain;
use super::{Expand, OpRules, Softmax, classification, losses, reduction, softmax};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `-mean over n of log_softmax(logits)[n, label[n]]`: the other logits may be minus infinity. The last dimension
    /// are the classes; the mean is over all others.
    pub struct SoftmaxCrossentropy {}
}

impl OpRules for SoftmaxCrossentropy {
    const NAME: &'static str = "softmax_crossentropy";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "mean cross-entropy of the softmax, from (logits, i32 labels)";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        classification::infer(Self::NAME, "logits", operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        losses::eval_mean(operands, classification::terms(operands[0], operands[1], |x, label| {
            let (z, log_sum) = softmax::shifted_row(x);
            log_sum - z[label]
        }))
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // d_logits = (softmax(logits) - one_hot(labels)) * dy / number of labels
        let logits = cx.operands[0];
        let shape = cx.ty(logits).shape;
        let one_hot = classification::one_hot(cx);
        let p = cx.add(Softmax { axis: -1 }, &[logits]);
        let difference = cx.minus(p, one_hot);
        let axes: Vec<usize> = (0..shape.rank() - 1).collect();
        let share = reduction::divided_by_count(cx, dy, &shape, &axes);
        vec![Some(cx.times(difference, share)), None]
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::AfterAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let z = softmax::shifted(cx, cx.operands[0], -1);
        let log_sum = softmax::log_sum_exp(cx, z, -1);
        let log_softmax = cx.minus(z, log_sum);
        let picked = classification::picked(cx, log_softmax);
        classification::negative_mean(cx, picked)
    }

    fn domain(&self, operand: usize, operands: &[&TensorType]) -> Domain {
        classification::domain(operand, operands)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let operands = classification::draw(draw)?;
        let bound = 2.0 * operands[0].bound + 3.0;
        Some(Drawn::of(SoftmaxCrossentropy {}, operands).within(bound))
    }
}
