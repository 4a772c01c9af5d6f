//! `square`: the square.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Expand, OpRules, elementwise};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x * x`.
    pub struct Square {}
}

impl OpRules for Square {
    const NAME: &'static str = "square";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "square, `x * x`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Squares, such as of distances.",
        node: "squares",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY);

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x * x)
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        cx.times(cx.operands[0], cx.operands[0])
    }
}
