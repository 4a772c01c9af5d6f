//! `log_cosh`: the loss that is a square near the target and a line far from it, without a border.

use super::draw::{Draw, Drawn};
use super::facts::{LossUsage};
use super::{Expand, OpRules, Softplus, losses};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// The mean of `log(cosh(d))` over all elements, `d = prediction - target`, computed as `d + softplus(-2 * d) -
    /// log(2)`, which does not overflow, as in Keras. The gradient is `tanh(d)`.
    pub struct LogCosh {}
}

impl OpRules for LogCosh {
    const NAME: &'static str = "log_cosh";
    const ARITY: usize = 2;
    const N_OPTIONAL: usize = 1;
    const SUMMARY: &'static str = "mean logarithm of the hyperbolic cosine of the difference, from (prediction, target[, weights])";
    const LOSS: Option<LossUsage> = Some(LossUsage {
        doc: "Mean of `log(cosh(d))` of the differences `d`: about `d^2 / 2` where they are small and `|d| - log(2)` where they are large, without a \
              border as that of `huber`; the target has the prediction's shape.",
        ..LossUsage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        losses::infer(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        losses::eval(operands, |p, t| {
            let size = (p - t).abs();
            size + (R::one() + (R::from_f64(-2.0) * size).exp()).ln() - R::from_f64(std::f64::consts::LN_2)
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [p, t] = [cx.operands[0], cx.operands[1]];
        let difference = cx.minus(p, t);
        let exponent = cx.scaled(difference, -2.0);
        let rest = cx.add(Softplus {}, &[exponent]);
        let sum = cx.plus(difference, rest);
        let log_2 = cx.constant(std::f64::consts::LN_2);
        let terms = cx.minus(sum, log_2);
        losses::mean(cx, terms)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        Some(Drawn::of(LogCosh {}, losses::draw(draw)?))
    }
}
