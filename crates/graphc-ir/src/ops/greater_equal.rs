//! `greater_equal`: where one tensor is at least another.

use super::facts::{Elementwise, FEATURES, OTHER, Usage};
use super::{Lowering, OpRules, comparison};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `a >= b ? 1 : 0` as `f32`, under NumPy broadcasting; both `f32` or both `i32`. 0 where either is NaN.
    pub struct GreaterEqual {}
}

impl OpRules for GreaterEqual {
    const NAME: &'static str = "greater_equal";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "1 where `a >= b`, otherwise 0";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Marks what reaches a bound. It has no gradient.",
        node: "at_least",
        reads: &[FEATURES, OTHER],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::BINARY.with_steps());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        comparison::infer(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        comparison::eval(CmpOp::Ge, operands, out)
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // Piecewise constant: the derivative is zero almost everywhere.
        vec![None, None]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        comparison::lower(CmpOp::Ge, operands, out)
    }
}
