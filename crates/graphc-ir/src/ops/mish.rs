//! `mish`: a smooth activation (Misra 2019).

use super::facts::{Elementwise, MAPS, Usage};
use super::{Expand, OpRules, Softplus, Tanh, elementwise};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x * tanh(softplus(x))`, as in Keras 3; NaN at minus infinity.
    pub struct Mish {}
}

impl OpRules for Mish {
    const NAME: &'static str = "mish";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "`x * tanh(softplus(x))`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Much as `silu`.",
        node: "mish1",
        reads: &[MAPS],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY);

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| {
            let positive = if x > R::zero() { x } else { R::zero() };
            x * (positive + (R::one() + (-x.abs()).exp()).ln()).tanh()
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let softplus = cx.add(Softplus {}, &[cx.operands[0]]);
        let share = cx.add(Tanh {}, &[softplus]);
        cx.times(cx.operands[0], share)
    }
}
