//! `squeeze`: without dimensions of size 1.

use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::{Expand, OpRules};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

op_struct! {
    /// The same elements without the dimensions `axes`, whose sizes are 1.
    pub struct Squeeze {
        /// The dimensions that are left out, counted from 0, ascending.
        pub axes: Vec<usize>,
    }
}

impl OpRules for Squeeze {
    const NAME: &'static str = "squeeze";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "the same elements without dimensions of size 1";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Leaves out what a step before it has left as 1.",
        node: "vector",
        reads: &[("column", DType::F32, &[8, 1])],
        attributes: || Squeeze { axes: vec![2] }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let (x, axes) = (operands[0], &self.axes);
        let is_one = |&axis: &usize| x.shape.0.get(axis) == Some(&Dim::Fixed(1));
        if axes.is_empty() || !axes.is_sorted_by(|a, b| a < b) || !axes.iter().all(is_one) {
            let message = format!("squeeze expects ascending axes of size 1 of {x}, got {axes:?}");
            return Err(TypeError::operand(0, message));
        }
        let dims = (0..x.rank()).filter(|axis| !axes.contains(axis)).map(|axis| x.shape.0[axis]);
        Ok(TensorType { dtype: x.dtype, shape: Shape(dims.collect()) })
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
        let x = draw.tensor(&|shape| shape.0.contains(&Dim::Fixed(1)))?;
        let ones: Vec<usize> = (0..x.ty.rank()).filter(|&axis| x.shape().0[axis] == Dim::Fixed(1)).collect();
        let chosen = draw.axes(ones.len())?;
        let bound = x.bound;
        Some(Drawn::of(Squeeze { axes: chosen.into_iter().map(|i| ones[i]).collect() }, [x]).within(bound))
    }
}
