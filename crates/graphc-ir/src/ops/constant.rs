//! `constant`: every element the same value.

use super::{Lowering, OpRules};
use crate::compute::{Compute, ScalarExpr};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{Shape, TensorType, TypeError};

op_struct! {
    /// An `f32` tensor whose elements are all `value`.
    pub struct Constant {
        /// The value.
        pub value: f64,
        /// Shape; may contain `N`.
        pub shape: Shape,
    }
}

impl OpRules for Constant {
    const NAME: &'static str = "constant";
    const ARITY: usize = 0;
    const SUMMARY: &'static str = "every element the same value";

    fn infer(&self, _: &[&TensorType]) -> Result<TensorType, TypeError> {
        Ok(TensorType::f32(self.shape.clone().check_one_batch()?))
    }

    fn eval<R: Real>(&self, _: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        Tensor::full(out, self.value)
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        Vec::new()
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        Lowering::Compute(Compute::map(&out.shape.0, ScalarExpr::Const(self.value)))
    }
}
