//! `dropout`: random elements set to zero in training (Srivastava et al. 2014).

use super::draw::{Draw, Drawn};
use super::{DropoutMask, Expand, OpRules, dropout_mask};
use crate::graph::{Mode, NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Shape, TensorType, TypeError};

op_struct! {
    /// In training `x * dropout_mask`, in inference `x`. The second operand is the step's number, an
    /// `i32` scalar, so that every step drops other elements.
    pub struct Dropout {
        /// Probability of an element to be dropped, in `[0, 1)`.
        pub rate: f64,
        /// Distinguishes layers and runs.
        pub seed: i64,
    }
}

impl OpRules for Dropout {
    const NAME: &'static str = "dropout";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "random elements set to zero in training, from (x, step)";
    const DEPENDS_ON_MODE: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let x = operands[0];
        if x.dtype != DType::F32 {
            return Err(TypeError::operand(0, format!("dropout expects an f32 tensor, got {x}")));
        }
        dropout_mask::check(self.rate, &x.shape)?;
        dropout_mask::check_step(1, operands[1])?;
        Ok(x.clone())
    }

    fn eval<R: Real>(&self, _: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        panic!("dropout depends on the mode and is expanded before it is evaluated")
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [x, step] = [cx.operands[0], cx.operands[1]];
        if cx.mode == Mode::Infer || self.rate == 0.0 {
            return x;
        }
        let shape = cx.ty(x).shape;
        let mask = cx.add(DropoutMask { rate: self.rate, seed: self.seed, shape }, &[step]);
        cx.times(x, mask)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.tensor(&|shape| shape.batch_axis().is_none_or(|axis| axis == 0))?;
        let (rate, seed, step) = ([0.25, 0.0][draw.pick(4) / 3], draw.pick(5) as i64, draw.integers(Shape::scalar()));
        let bound = x.bound / (1.0 - rate);
        Some(Drawn::of(Dropout { rate, seed }, [x, step]).within(bound))
    }
}
