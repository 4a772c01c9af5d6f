//! `mean_squared_error`: the loss of predicted values against targets.

use super::{Expand, Lowering, OpRules, ReduceMean};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

op_struct! {
    /// The mean of `(prediction - target)^2` over all elements.
    pub struct MeanSquaredError {}
}

impl OpRules for MeanSquaredError {
    const NAME: &'static str = "mean_squared_error";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "mean squared difference, from (prediction, target)";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let [prediction, target] = [operands[0], operands[1]];
        if prediction.dtype != DType::F32 || prediction.shape.0.contains(&Dim::Fixed(0)) {
            return Err(TypeError::operand(
                0,
                format!("mean_squared_error expects f32 predictions without empty dimensions, got {prediction}"),
            ));
        }
        if target != prediction {
            return Err(TypeError::operand(
                1,
                format!("mean_squared_error expects a target of the prediction's type {prediction}, got {target}"),
            ));
        }
        Ok(TensorType::f32(Shape::scalar()))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        let [prediction, target] = [operands[0], operands[1]];
        let squares = prediction.data.iter().zip(&target.data).map(|(&p, &t)| (p - t) * (p - t));
        let sum = squares.fold(R::zero(), |sum, square| sum + square);
        Tensor::new(Vec::new(), vec![sum / R::from_f64(prediction.data.len() as f64)])
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        panic!("mean_squared_error is expanded before autodiff")
    }

    fn lower(&self, _: &[&TensorType], _: &TensorType) -> Lowering {
        Lowering::Composite(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [prediction, target] = [cx.operands[0], cx.operands[1]];
        let difference = cx.minus(prediction, target);
        let square = cx.times(difference, difference);
        match cx.ty(square).rank() {
            0 => square,
            rank => cx.add(ReduceMean { axes: (0..rank).collect(), keep_dims: false }, &[square]),
        }
    }
}
