//! `logical_or`: whether one of two conditions is true.

use super::facts::{Elementwise, Usage};
use super::{Lowering, OpRules, elementwise, truth};
use crate::compute::ScalarExpr;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `a != 0 || b != 0 ? 1 : 0`, under NumPy broadcasting: every number but 0 is true, and NaN is.
    pub struct LogicalOr {}
}

impl OpRules for LogicalOr {
    const NAME: &'static str = "logical_or";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "1 where either is not 0, otherwise 0";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Where one of two conditions holds, or both. It has no gradient.",
        node: "either",
        reads: &[("is_day", DType::F32, &[8]), ("is_dry", DType::F32, &[8])],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::BINARY.with_steps());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[a, b]| truth::number(truth::is_true(a) || truth::is_true(b)))
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // Piecewise constant: the derivative is zero almost everywhere.
        vec![None, None]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |loads| {
            let [a, b] = loads.try_into().expect("two operands");
            let [yes, no] = [1.0, 0.0].map(ScalarExpr::Const);
            truth::select(a, yes.clone(), truth::select(b, yes, no))
        })
    }
}
