//! `relu_grad`: the gradient of `relu`, from its result.

use super::facts::Elementwise;
use super::{Lowering, OpRules, elementwise};
use crate::compute::{ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `relu_grad(y, dy) = y <= 0 ? 0 : dy`: where `y` is NaN, the gradient passes, as in PyTorch.
    pub struct ReluGrad {}
}

impl OpRules for ReluGrad {
    const NAME: &'static str = "relu_grad";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "gradient of relu from its result y: 0 where y <= 0, else dy";
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::BINARY.with_steps());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[a, b]| if a <= R::zero() { R::zero() } else { b })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // Linear in its second operand; the derivative by y is zero almost everywhere.
        let [y, gradient] = [cx.operands[0], cx.operands[1]];
        let d_gradient = cx.add(ReluGrad {}, &[y, dy]);
        let shape = cx.ty(gradient).shape;
        vec![None, Some(cx.unbroadcast(d_gradient, &shape))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |loads| {
            let [y, dy] = loads.try_into().expect("two operands");
            build::select(CmpOp::Le, y, ScalarExpr::Const(0.0), ScalarExpr::Const(0.0), dy)
        })
    }
}
