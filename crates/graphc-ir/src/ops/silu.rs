//! `silu`: the sigmoid linear unit, also called swish (Hendrycks and Gimpel 2016).

use super::facts::{Elementwise, MAPS, Usage};
use super::{Expand, OpRules, Sigmoid, elementwise};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x * sigmoid(x)`, as in Keras 3; NaN at minus infinity.
    pub struct Silu {}
}

impl OpRules for Silu {
    const NAME: &'static str = "silu";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "sigmoid linear unit (swish), `x * sigmoid(x)`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "In place of `relu` in deep nets: smooth, a little below 0 before it rises.",
        node: "silu1",
        reads: &[MAPS],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY);

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x * (R::one() / (R::one() + (-x).exp())))
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let sigmoid = cx.add(Sigmoid {}, &[cx.operands[0]]);
        cx.times(cx.operands[0], sigmoid)
    }
}
