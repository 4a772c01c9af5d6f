//! `mean`: the loss that the network computes itself.

use super::draw::{Draw, Drawn};
use super::facts::LossUsage;
use super::{Expand, OpRules, ReduceMean, Reshape};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

op_struct! {
    /// The mean of all elements.
    pub struct Mean {}
}

impl OpRules for Mean {
    const NAME: &'static str = "mean";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "mean of all elements, as a loss";
    const LOSS: Option<LossUsage> = Some(LossUsage {
        doc: "Mean of all elements of the prediction, which is the loss that the network itself computes, such as the result of \
              `triplet_margin`, or a penalty; there is no target.",
        ..LossUsage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let x = operands[0];
        if x.dtype != DType::F32 || x.shape.0.contains(&Dim::Fixed(0)) {
            let message = format!("{} expects an f32 tensor without empty dimensions, got {x}", Self::NAME);
            return Err(TypeError::operand(0, message));
        }
        Ok(TensorType::f32(Shape::scalar()))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        let x = &operands[0].data;
        let sum = x.iter().fold(R::zero(), |sum, &x| sum + x);
        Tensor::new(Vec::new(), vec![sum / R::from_f64(x.len() as f64)])
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let x = cx.operands[0];
        let axes: Vec<usize> = (0..cx.ty(x).rank()).collect();
        match axes.is_empty() {
            // A node of its own: the loss has a name.
            true => cx.add(Reshape { shape: Shape::scalar() }, &[x]),
            false => cx.add(ReduceMean { axes, keep_dims: false }, &[x]),
        }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.any()?;
        Some(Drawn::of(Mean {}, [x]))
    }
}
