//! `not_equal`: where two tensors differ, as numbers.

use super::facts::{Elementwise, FEATURES, OTHER, Usage};
use super::{Lowering, OpRules, comparison};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `a != b ? 1 : 0` as `f32`, under NumPy broadcasting; both `f32` or both `i32`. 1 where
    /// either is NaN; `-0` equals `0`.
    pub struct NotEqual {}
}

impl OpRules for NotEqual {
    const NAME: &'static str = "not_equal";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "1 where both differ, otherwise 0";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Marks where two differ; where either is NaN they do. It has no gradient.",
        node: "changed",
        reads: &[FEATURES, OTHER],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::BINARY.with_steps());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        comparison::infer(Self::NAME, operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        comparison::eval(CmpOp::Ne, operands, out)
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // Piecewise constant: the derivative is zero almost everywhere.
        vec![None, None]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        comparison::lower(CmpOp::Ne, operands, out)
    }
}
