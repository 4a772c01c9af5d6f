//! `log_softmax`: the logarithm of `softmax`, without the detour.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Exp, Expand, OpRules, softmax};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `z - log(sum(e^z))` along the last dimension, `z = x - max(x)`.
    pub struct LogSoftmax {}
}

impl OpRules for LogSoftmax {
    const NAME: &'static str = "log_softmax";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "logarithm of the softmax over the last dimension";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Logarithms of probabilities, as a result of their own. The cross-entropies take `softmax`.",
        node: "logs",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        softmax::infer(Self::NAME, operands[0])
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        softmax::eval_rows(operands[0], |x| {
            let (z, log_sum) = softmax::shifted_row(x);
            z.into_iter().map(|z| z - log_sum).collect()
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy - e^y * sum(dy)
        let softmax = cx.add(Exp {}, &[cx.node]);
        let sum = softmax::sum_last(cx, dy);
        let shared = cx.times(softmax, sum);
        vec![Some(cx.minus(dy, shared))]
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::AfterAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let z = softmax::shifted(cx, cx.operands[0]);
        let log_sum = softmax::log_sum_exp(cx, z);
        cx.minus(z, log_sum)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.rows(1)?;
        let bound = 2.0 * x.bound + 3.0;
        Some(Drawn::of(LogSoftmax {}, [x]).within(bound))
    }
}
