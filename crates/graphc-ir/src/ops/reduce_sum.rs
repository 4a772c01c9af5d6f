//! `reduce_sum`: sum over axes.

use super::{Lowering, OpRules, reduction};
use crate::compute::Combine;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// Sum over `axes`.
    pub struct ReduceSum {
        /// Reduced dimensions, ascending.
        pub axes: Vec<usize>,
        /// Keep them with size 1.
        pub keep_dims: bool,
    }
}

impl OpRules for ReduceSum {
    const NAME: &'static str = "reduce_sum";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "sum over axes";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        Ok(TensorType::f32(reduction::infer(operands[0], &self.axes, self.keep_dims)?))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        reduction::eval(operands[0], &self.axes, out, R::zero(), |sum, x| sum + x)
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy, broadcast along the reduced axes
        let shape = cx.ty(cx.operands[0]).shape;
        let kept = cx.reshaped(dy, &reduction::kept_shape(&shape, &self.axes));
        vec![Some(cx.broadcast_to(kept, &shape))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        Lowering::Compute(reduction::lower(operands[0], &self.axes, self.keep_dims, out, Combine::Sum))
    }
}
