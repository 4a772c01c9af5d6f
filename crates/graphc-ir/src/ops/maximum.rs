//! `maximum`: the greater of two numbers.

use super::facts::{Elementwise, MAPS, Usage};
use super::{Lowering, OpRules, elementwise, extremum};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::{BinaryOp, CmpOp};
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `a > b ? a : b` under NumPy broadcasting, NaN where either is: of zeros of either sign the second. Where both
    /// are equal, half of the gradient goes to each, as in PyTorch; where either is NaN, all of it.
    pub struct Maximum {}
}

impl OpRules for Maximum {
    const NAME: &'static str = "maximum";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "the greater of both, NaN if either is, with NumPy broadcasting";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Joins two branches by the greater of both, as a maxout unit; gradients of equal ones are halved.",
        node: "strongest",
        reads: &[MAPS, ("others", DType::F32, &[24, 24, 6])],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::BINARY.with_kinks());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        extremum::eval(CmpOp::Gt, operands, out)
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // da = a < b ? 0 : share, db = b < a ? 0 : share, where share = a == b ? dy / 2 : dy
        extremum::vjp(cx, dy, [[0, 1], [1, 0]])
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        extremum::lower(BinaryOp::Max, operands, out)
    }
}
