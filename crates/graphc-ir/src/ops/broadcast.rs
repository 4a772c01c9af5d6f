//! `broadcast`: NumPy broadcasting to a given shape.

use super::{Lowering, OpRules, elementwise};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{Shape, TensorType, TypeError};

op_struct! {
    /// The operand repeated along new leading dimensions and dimensions of size 1.
    pub struct Broadcast {
        /// The result's shape.
        pub shape: Shape,
    }
}

impl OpRules for Broadcast {
    const NAME: &'static str = "broadcast";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "repeats a tensor along new or unit dimensions";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let from = &operands[0].shape;
        if from.rank() > self.shape.rank() || from.broadcast(&self.shape)? != self.shape {
            return Err(TypeError::new(format!("cannot broadcast {from} to {}", self.shape)));
        }
        Ok(TensorType { dtype: operands[0].dtype, shape: self.shape.clone() })
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x)
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = sum of dy along the repeated dimensions
        let shape = cx.ty(cx.operands[0]).shape;
        vec![Some(cx.unbroadcast(dy, &shape))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| loads.remove(0))
    }
}
