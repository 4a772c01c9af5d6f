//! `ceil`: the integer above.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::UnaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// The least integer that is not below `x`: -0.0 between -1 and 0; infinities and NaN stay.
    pub struct Ceil {}
}

impl OpRules for Ceil {
    const NAME: &'static str = "ceil";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "least integer that is not below `x`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "How many whole ones hold a number. It has no gradient.",
        node: "boxes",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY.with_steps());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x.steps(f64::ceil))
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // Constant but where it jumps.
        vec![None]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| build::unary(UnaryOp::Ceil, loads.remove(0)))
    }
}
