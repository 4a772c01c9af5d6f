//! `relu`: `max(x, 0)`.

use super::facts::{Elementwise, MAPS, Usage};
use super::{Lowering, OpRules, ReluGrad, elementwise};
use crate::compute::{ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x <= 0 ? 0 : x`: NaN for NaN, `+0` for `-0`.
    pub struct Relu {}
}

impl OpRules for Relu {
    const NAME: &'static str = "relu";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "rectified linear unit, `max(x, 0)`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "The usual activation of hidden layers.",
        node: "relu1",
        reads: &[MAPS],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY.with_kinks());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| if x <= R::zero() { R::zero() } else { x })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = y <= 0 ? 0 : dy, and y <= 0 exactly where x <= 0; dy at NaN
        vec![Some(cx.add(ReluGrad {}, &[cx.node, dy]))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| {
            let x = loads.remove(0);
            build::select(CmpOp::Le, x.clone(), ScalarExpr::Const(0.0), ScalarExpr::Const(0.0), x)
        })
    }
}
