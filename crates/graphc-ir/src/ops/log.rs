//! `log`: natural logarithm.

use super::facts::{Domain, Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::UnaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// Natural logarithm.
    pub struct Log {}
}

impl OpRules for Log {
    const NAME: &'static str = "log";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "natural logarithm";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Compresses values that are greater than 0; 0 gives minus infinity, less gives NaN.",
        node: "logs",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::of(&[Domain::AtLeast(0.25)]));

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x.ln())
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy / x
        vec![Some(cx.over(dy, cx.operands[0]))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| build::unary(UnaryOp::Log, loads.remove(0)))
    }
}
