//! `batch_size`: the number of samples as a scalar, for rules that divide by it.

use super::draw::{Draw, Drawn};
use super::{Lowering, OpRules};
use crate::compute::{Compute, ScalarExpr};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{Shape, TensorType, TypeError};

op_struct! {
    /// The size of `N` as an `f32` scalar. A graph is built before `N` is known, so a mean over the
    /// batch cannot divide by a constant.
    pub struct BatchSize {}
}

impl OpRules for BatchSize {
    const NAME: &'static str = "batch_size";
    const ARITY: usize = 0;
    const SUMMARY: &'static str = "the size of the batch dimension N, as a number";
    const IS_EXACT: bool = true;

    fn infer(&self, _: &[&TensorType]) -> Result<TensorType, TypeError> {
        Ok(TensorType::f32(Shape::scalar()))
    }

    fn eval<R: Real>(&self, _: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        panic!("the interpreter binds the batch size")
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        Vec::new()
    }

    fn lower(&self, _: &[&TensorType], _: &TensorType) -> Lowering {
        Lowering::Compute(Compute::map(&[], ScalarExpr::BatchSize))
    }

    fn draw(_: &mut dyn Draw) -> Option<Drawn<Self>> {
        Some(Drawn::of(BatchSize {}, []))
    }
}
