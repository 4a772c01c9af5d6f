//! `where`: one of two numbers, by a condition.

use super::facts::{Domain, Elementwise, FEATURES, OTHER, Usage};
use super::{Lowering, OpRules, elementwise, truth};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `where(condition, a, b) = condition != 0 ? a : b`, under NumPy broadcasting: every number but 0 is true, and NaN
    /// is. What is not chosen has no influence, and its gradient is 0, even if it is NaN or infinite.
    pub struct Where {}
}

impl OpRules for Where {
    const NAME: &'static str = "where";
    const ARITY: usize = 3;
    const SUMMARY: &'static str = "a where the condition is not 0, else b, from (condition, a, b)";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Takes one of two by a condition, as `less` gives it. The gradient is that of the chosen one.",
        node: "known",
        reads: &[("is_known", DType::F32, &[8]), FEATURES, OTHER],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::of(&[Domain::Any; 3]).with_steps());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[condition, a, b]| if truth::is_true(condition) { a } else { b })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // da = condition != 0 ? dy : 0, db = condition != 0 ? 0 : dy; constant in the condition but at 0
        let [condition, a, b] = [0, 1, 2].map(|slot| cx.operands[slot]);
        let zero = cx.constant(0.0);
        let d_a = cx.add(Where {}, &[condition, dy, zero]);
        let d_b = cx.add(Where {}, &[condition, zero, dy]);
        let [a, b] = [a, b].map(|operand| cx.ty(operand).shape);
        vec![None, Some(cx.unbroadcast(d_a, &a)), Some(cx.unbroadcast(d_b, &b))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |loads| {
            let [condition, a, b] = loads.try_into().expect("three operands");
            truth::select(condition, a, b)
        })
    }
}
