//! `logical_not`: whether a condition is false.

use super::facts::{Elementwise, Usage};
use super::{Lowering, OpRules, elementwise, truth};
use crate::compute::ScalarExpr;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `x != 0 ? 0 : 1`: every number but 0 is true, and NaN is.
    pub struct LogicalNot {}
}

impl OpRules for LogicalNot {
    const NAME: &'static str = "logical_not";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "1 where `x` is 0, otherwise 0";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Where a condition does not hold. It has no gradient.",
        node: "by_night",
        reads: &[("is_day", DType::F32, &[8])],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY.with_steps());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| truth::number(!truth::is_true(x)))
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // Piecewise constant: the derivative is zero almost everywhere.
        vec![None]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        let [yes, no] = [1.0, 0.0].map(ScalarExpr::Const);
        elementwise::lower(operands, out, |mut loads| truth::select(loads.remove(0), no, yes))
    }
}
