//! `sigmoid`: the logistic function.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::{ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::{BinaryOp, UnaryOp};
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `1 / (1 + e^-x)`.
    pub struct Sigmoid {}
}

impl OpRules for Sigmoid {
    const NAME: &'static str = "sigmoid";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "logistic function, `1 / (1 + exp(-x))`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Last activation of yes or no, with the loss `binary_crossentropy`; results are between 0 \
                  and 1.",
        node: "gate",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY);

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| R::one() / (R::one() + (-x).exp()))
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy * y * (1 - y)
        let y = cx.node;
        let one = cx.constant(1.0);
        let rest = cx.minus(one, y);
        let slope = cx.times(y, rest);
        vec![Some(cx.times(dy, slope))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| {
            let minus_x = build::unary(UnaryOp::Neg, loads.remove(0));
            let one = ScalarExpr::Const(1.0);
            let denominator = build::binary(BinaryOp::Add, one.clone(), build::unary(UnaryOp::Exp, minus_x));
            build::binary(BinaryOp::Div, one, denominator)
        })
    }
}
