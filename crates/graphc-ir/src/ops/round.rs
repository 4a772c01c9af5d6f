//! `round`: the nearest integer.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::UnaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// The nearest integer, the even one of two, as NumPy and PyTorch round; the sign of zeros stays,
    /// infinities and NaN do.
    pub struct Round {}
}

impl OpRules for Round {
    const NAME: &'static str = "round";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "nearest integer, the even one of two";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Rounds what is counted in whole numbers. It has no gradient.",
        node: "count",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY.with_steps());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x.steps(f64::round_ties_even))
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // Constant but where it jumps.
        vec![None]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| build::unary(UnaryOp::Round, loads.remove(0)))
    }
}
