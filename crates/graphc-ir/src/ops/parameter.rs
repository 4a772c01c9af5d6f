//! `parameter`: a tensor kept between steps: a weight, a moving statistic, optimizer state.

use super::{Lowering, OpRules};
use crate::graph::{NodeId, OpCx};
use crate::initializers::Initializer;
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{Shape, TensorType, TypeError};

op_struct! {
    /// A tensor kept between steps; the node's name is the tensor's name in weight files.
    pub struct Parameter {
        /// Shape, without `N`.
        pub shape: Shape,
        /// First value.
        pub initializer: Initializer,
        /// Whether the optimizer updates it.
        pub trainable: bool,
    }
}

impl OpRules for Parameter {
    const NAME: &'static str = "parameter";
    const ARITY: usize = 0;
    const SUMMARY: &'static str = "a tensor kept between steps";
    const IS_EXACT: bool = true;
    const NOT_DRAWN: Option<&'static str> = Some("a leaf: its value is given");

    fn infer(&self, _: &[&TensorType]) -> Result<TensorType, TypeError> {
        if self.shape.batch_axis().is_some() {
            return Err(TypeError::new(format!("a parameter has no batch dimension, got shape {}", self.shape)));
        }
        self.initializer.check()?;
        self.initializer.check_sizes(&self.shape.sizes(None))?;
        Ok(TensorType::f32(self.shape.clone()))
    }

    fn eval<R: Real>(&self, _: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        panic!("the interpreter binds parameters")
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        Vec::new()
    }

    fn lower(&self, _: &[&TensorType], _: &TensorType) -> Lowering {
        Lowering::Leaf
    }
}
