//! `log_softmax`: the logarithm of `softmax`, without the detour.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Exp, Expand, OpRules, softmax};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `z - log(sum(e^z))` along `axis`, `z = x - max(x)`.
    pub struct LogSoftmax {
        /// The dimension along which the probabilities add up to 1, counted from 0, the batch, or from the end: -1 is
        /// the last one. Not the batch.
        pub axis: i64 = -1,
    }
}

impl OpRules for LogSoftmax {
    const NAME: &'static str = "log_softmax";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "logarithm of the softmax over one dimension";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Logarithms of probabilities, as a result of their own. The cross-entropies take `softmax`.",
        node: "logs",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        softmax::infer(Self::NAME, operands[0], self.axis)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        softmax::eval_rows(operands[0], self.axis, |x| {
            let (z, log_sum) = softmax::shifted_row(x);
            z.into_iter().map(|z| z - log_sum).collect()
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy - e^y * sum(dy)
        let softmax = cx.add(Exp {}, &[cx.node]);
        let sum = softmax::sum_along(cx, dy, self.axis);
        let shared = cx.times(softmax, sum);
        vec![Some(cx.minus(dy, shared))]
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::AfterAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let z = softmax::shifted(cx, cx.operands[0], self.axis);
        let log_sum = softmax::log_sum_exp(cx, z, self.axis);
        cx.minus(z, log_sum)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (x, axis) = softmax::draw_rows(draw)?;
        let bound = 2.0 * x.bound + 3.0;
        Some(Drawn::of(LogSoftmax { axis }, [x]).within(bound))
    }
}
