//! `log_sigmoid`: the logarithm of the logistic function, without the detour.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, Sigmoid, elementwise};
use crate::compute::{ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::{BinaryOp, CmpOp, UnaryOp};
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `min(x, 0) - log(1 + e^-|x|)`, which is `log(sigmoid(x))` where that does not underflow.
    pub struct LogSigmoid {}
}

impl OpRules for LogSigmoid {
    const NAME: &'static str = "log_sigmoid";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "logarithm of the logistic function, `log(sigmoid(x))`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "The logarithm of a probability of yes, without the detour over a `sigmoid` that underflows.",
        node: "log1",
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
            let negative = if x < R::zero() { x } else { R::zero() };
            negative - (R::one() + (-x.abs()).exp()).ln()
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy * sigmoid(-x)
        let minus_x = cx.negative(cx.operands[0]);
        let slope = cx.add(Sigmoid {}, &[minus_x]);
        vec![Some(cx.times(dy, slope))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| {
            let (x, zero) = (loads.remove(0), ScalarExpr::Const(0.0));
            let negative = build::select(CmpOp::Lt, x.clone(), zero.clone(), x.clone(), zero);
            let exp = build::unary(UnaryOp::Exp, build::unary(UnaryOp::Neg, build::unary(UnaryOp::Abs, x)));
            let log = build::unary(UnaryOp::Log, build::binary(BinaryOp::Add, ScalarExpr::Const(1.0), exp));
            build::binary(BinaryOp::Sub, negative, log)
        })
    }
}
