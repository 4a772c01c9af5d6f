//! `expand_dims`: with a new dimension of size 1.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Expand, OpRules};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{Dim, TensorType, TypeError};

op_struct! {
    /// The same elements with a new dimension of size 1; PyTorch's `unsqueeze`.
    pub struct ExpandDims {
        /// The number of the new dimension, counted from 0.
        pub axis: usize,
    }
}

impl OpRules for ExpandDims {
    const NAME: &'static str = "expand_dims";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "the same elements with a new dimension of size 1";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Makes a column or a row of a vector, so that it broadcasts as it should.",
        node: "column",
        reads: &[FEATURES],
        attributes: || ExpandDims { axis: 2 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let x = operands[0];
        if self.axis > x.rank() {
            let message = format!("expand_dims expects an axis up to {} of {x}, got {}", x.rank(), self.axis);
            return Err(TypeError::new(message));
        }
        let mut ty = x.clone();
        ty.shape.0.insert(self.axis, Dim::Fixed(1));
        Ok(ty)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        Tensor::new(out.to_vec(), operands[0].data.clone())
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let shape = cx.ty(cx.node).shape;
        cx.reshaped(cx.operands[0], &shape)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.tensor(&|shape| shape.rank() < 4)?;
        let (axis, bound) = (draw.pick(x.ty.rank() + 1), x.bound);
        Some(Drawn::of(ExpandDims { axis }, [x]).within(bound))
    }
}
