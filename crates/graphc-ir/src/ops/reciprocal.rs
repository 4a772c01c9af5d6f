//! `reciprocal`: `1 / x`.

use super::facts::{Domain, Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::{ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `1 / x`: infinite at 0, with its sign, and 0 at infinity.
    pub struct Reciprocal {}
}

impl OpRules for Reciprocal {
    const NAME: &'static str = "reciprocal";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "`1 / x`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Makes rates of durations; infinite at 0.",
        node: "rate",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::of(&[Domain::AtLeast(0.5)]));

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| R::one() / x)
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = -dy * y * y
        let first = cx.times(dy, cx.node);
        let second = cx.times(first, cx.node);
        vec![Some(cx.negative(second))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| {
            build::binary(BinaryOp::Div, ScalarExpr::Const(1.0), loads.remove(0))
        })
    }
}
