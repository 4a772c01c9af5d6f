//! `softplus`: a smooth `relu`.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, Sigmoid, elementwise};
use crate::compute::{ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::{BinaryOp, CmpOp, UnaryOp};
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `log(1 + e^x)`, as in Keras 3, as `max(x, 0) + log(1 + e^-|x|)`, which is finite wherever `x` is.
    pub struct Softplus {}
}

impl OpRules for Softplus {
    const NAME: &'static str = "softplus";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "smooth `relu`, `log(1 + exp(x))`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Results greater than 0 that grow like their input, such as a scale or a variance.",
        node: "scale",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY);

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| {
            let positive = if x > R::zero() { x } else { R::zero() };
            positive + (R::one() + (-x.abs()).exp()).ln()
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy * sigmoid(x)
        let slope = cx.add(Sigmoid {}, &[cx.operands[0]]);
        vec![Some(cx.times(dy, slope))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| {
            let (x, zero, one) = (loads.remove(0), ScalarExpr::Const(0.0), ScalarExpr::Const(1.0));
            let positive = build::select(CmpOp::Gt, x.clone(), zero.clone(), x.clone(), zero);
            let u = build::unary(UnaryOp::Exp, build::unary(UnaryOp::Neg, build::unary(UnaryOp::Abs, x)));
            // With w = 1 + u rounded, log(1 + u) = log(w) * u / (w - 1), and u where w is 1 (Kahan): small results keep
            // their digits.
            let w = build::binary(BinaryOp::Add, one.clone(), u.clone());
            let rounded = build::binary(BinaryOp::Sub, w.clone(), one.clone());
            let ratio = build::binary(BinaryOp::Div, u.clone(), rounded);
            let log = build::binary(BinaryOp::Mul, build::unary(UnaryOp::Log, w.clone()), ratio);
            build::binary(BinaryOp::Add, build::select(CmpOp::Eq, w, one, u, log), positive)
        })
    }
}
