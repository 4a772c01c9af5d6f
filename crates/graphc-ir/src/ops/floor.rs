//! `floor`: the integer below.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::UnaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// The greatest integer that is not above `x`: -0.0 at -0.0; infinities and NaN stay.
    pub struct Floor {}
}

impl OpRules for Floor {
    const NAME: &'static str = "floor";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "greatest integer that is not above `x`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Whole steps of a number, such as the cell of a grid. It has no gradient.",
        node: "cell",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY.with_steps());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x.steps(f64::floor))
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // Constant but where it jumps.
        vec![None]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| build::unary(UnaryOp::Floor, loads.remove(0)))
    }
}
