//! `neg`: `-x`.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::UnaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `-x`.
    pub struct Neg {}
}

impl OpRules for Neg {
    const NAME: &'static str = "neg";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "negation, `-x`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Turns the sign.",
        node: "minus",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY);
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| -x)
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // d(-x) = -dx
        vec![Some(cx.negative(dy))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| build::unary(UnaryOp::Neg, loads.remove(0)))
    }
}
