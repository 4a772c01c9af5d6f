//! `sqrt`: square root.

use super::facts::{Domain, Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::UnaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// Square root; NaN below zero.
    pub struct Sqrt {}
}

impl OpRules for Sqrt {
    const NAME: &'static str = "sqrt";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "square root";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Root of values of at least 0; less gives NaN.",
        node: "root",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::of(&[Domain::AtLeast(0.25)]));

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x.sqrt())
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy / (2 y)
        let half_dy = cx.scaled(dy, 0.5);
        vec![Some(cx.over(half_dy, cx.node))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| build::unary(UnaryOp::Sqrt, loads.remove(0)))
    }
}
