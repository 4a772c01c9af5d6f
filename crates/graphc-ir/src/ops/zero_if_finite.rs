//! `zero_if_finite`: what a value that cancels out leaves behind.

use super::facts::Elementwise;
use super::{Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x - x`: 0 where `x` is finite, NaN elsewhere; its gradient is 0. Algebraic rules put it where they drop a value
    /// that has no influence as long as it is finite.
    pub struct ZeroIfFinite {}
}

impl OpRules for ZeroIfFinite {
    const NAME: &'static str = "zero_if_finite";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "0 where x is finite, NaN elsewhere";
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY);
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| if x.is_finite() { R::zero() } else { R::nan() })
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // A constant wherever it is a number.
        vec![None]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| {
            let x = loads.remove(0);
            build::binary(BinaryOp::Sub, x.clone(), x)
        })
    }
}
