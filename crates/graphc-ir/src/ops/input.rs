//! `input`: a tensor given anew at every step.

use super::{Lowering, OpRules};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Shape, TensorType, TypeError};

op_struct! {
    /// A tensor given anew at every step; the node's name is the input's name.
    pub struct Input {
        /// Element type.
        pub dtype: DType,
        /// Shape; may contain `N`.
        pub shape: Shape,
    }
}

impl OpRules for Input {
    const NAME: &'static str = "input";
    const ARITY: usize = 0;
    const SUMMARY: &'static str = "a tensor given anew at every step";
    const IS_EXACT: bool = true;
    const NOT_DRAWN: Option<&'static str> = Some("a leaf: its value is given");

    fn infer(&self, _: &[&TensorType]) -> Result<TensorType, TypeError> {
        Ok(TensorType { dtype: self.dtype, shape: self.shape.clone().check_one_batch()? })
    }

    fn eval<R: Real>(&self, _: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        panic!("the interpreter binds inputs")
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        Vec::new()
    }

    fn lower(&self, _: &[&TensorType], _: &TensorType) -> Lowering {
        Lowering::Leaf
    }
}
