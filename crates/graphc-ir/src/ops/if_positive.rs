//! `if_positive`: one of two numbers, by the sign of a third. Gradients of functions that are made of two pieces.

use super::facts::{Domain, Elementwise};
use super::{Lowering, OpRules, elementwise};
use crate::compute::{ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `if_positive(x, a, b) = x > 0 ? a : b`, so `b` where `x` is NaN. What is not chosen has no influence.
    pub struct IfPositive {}
}

impl OpRules for IfPositive {
    const NAME: &'static str = "if_positive";
    const ARITY: usize = 3;
    const SUMMARY: &'static str = "a where x > 0, else b, from (x, a, b)";
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::of(&[Domain::Any; 3]).with_steps());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x, a, b]| if x > R::zero() { a } else { b })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // da = x > 0 ? dy : 0, db = x > 0 ? 0 : dy; constant in x on either side of 0
        let [x, a, b] = [0, 1, 2].map(|slot| cx.operands[slot]);
        let zero = cx.constant(0.0);
        let d_a = cx.add(IfPositive {}, &[x, dy, zero]);
        let d_b = cx.add(IfPositive {}, &[x, zero, dy]);
        let [a, b] = [a, b].map(|operand| cx.ty(operand).shape);
        vec![None, Some(cx.unbroadcast(d_a, &a)), Some(cx.unbroadcast(d_b, &b))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |loads| {
            let [x, a, b] = loads.try_into().expect("three operands");
            build::select(CmpOp::Gt, x, ScalarExpr::Const(0.0), a, b)
        })
    }
}
