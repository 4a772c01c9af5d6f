//! `broadcast`: NumPy broadcasting to a given shape.

use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::{Lowering, OpRules, elementwise};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

op_struct! {
    /// The operand repeated along new leading dimensions and dimensions of size 1.
    pub struct Broadcast {
        /// The new shape.
        pub shape: Shape,
    }
}

impl OpRules for Broadcast {
    const NAME: &'static str = "broadcast";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "NumPy broadcasting to a given shape";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Repeats values along dimensions of size 1. Arithmetic does so by itself.",
        node: "plain",
        reads: &[("colour", DType::F32, &[1, 1, 3])],
        attributes: || Broadcast { shape: Shape::batched(&[8, 8, 3]) }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

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

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.tensor(&|shape| shape.rank() < 4)?;
        let mut shape = x.shape().clone();
        for dim in shape.0.iter_mut().filter(|dim| **dim == Dim::Fixed(1)) {
            *dim = if draw.flag() { Dim::Fixed(1) } else { draw.size().into() };
        }
        match draw.pick(3) {
            1 if shape.batch_axis().is_none() => shape.0.insert(0, Dim::Batch),
            2 => shape.0.insert(0, draw.size().into()),
            _ => {}
        }
        Some(Drawn::of(Broadcast { shape }, [x]))
    }
}
