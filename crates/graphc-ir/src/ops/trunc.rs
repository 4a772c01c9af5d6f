//! `trunc`: a number without its fraction.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::UnaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// The integer next to `x` in the direction of 0, of the sign of `x`; infinities and NaN stay.
    pub struct Trunc {}
}

impl OpRules for Trunc {
    const NAME: &'static str = "trunc";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "`x` without its fraction";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Cuts fractions off, of numbers of both signs alike. It has no gradient.",
        node: "whole",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY.with_steps());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x.steps(f64::trunc))
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // Constant but where it jumps.
        vec![None]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| build::unary(UnaryOp::Trunc, loads.remove(0)))
    }
}
