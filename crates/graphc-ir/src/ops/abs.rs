//! `abs`: the absolute value.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, Sign, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::UnaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `|x|`; its gradient is 0 at 0.
    pub struct Abs {}
}

impl OpRules for Abs {
    const NAME: &'static str = "abs";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "absolute value, `|x|`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Sizes without their sign; the gradient is 0 at 0.",
        node: "size",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY.with_kinks());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x.abs())
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy * sign(x)
        let sign = cx.add(Sign {}, &[cx.operands[0]]);
        vec![Some(cx.times(dy, sign))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| build::unary(UnaryOp::Abs, loads.remove(0)))
    }
}
