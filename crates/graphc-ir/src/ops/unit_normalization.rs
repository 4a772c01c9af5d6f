//! `unit_normalization`: vectors of length 1.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Expand, Maximum, OpRules, ReduceSum, Rsqrt, Square, reduction};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x / max(length of x, epsilon)` along a dimension, as Keras's `UnitNormalization` and PyTorch's `normalize`.
    /// What is shorter than epsilon is divided by that; 0 stays 0, and its gradient is `dy / epsilon`.
    pub struct UnitNormalization {
        /// The dimension of the vectors, counted from 0.
        pub axis: Option<usize> = None => "the last one",
        /// The least length that is divided by.
        pub epsilon: f64 where Positive = 1e-12,
    }
}

impl UnitNormalization {
    fn axes(&self, rank: usize) -> Vec<usize> {
        vec![self.axis.unwrap_or(rank.saturating_sub(1))]
    }
}

impl OpRules for UnitNormalization {
    const NAME: &'static str = "unit_normalization";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "vectors along a dimension divided by their lengths";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Vectors of which only the direction counts: products of two are their cosine.",
        node: "direction",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        reduction::infer(operands[0], &self.axes(operands[0].rank()), true)?;
        Ok(operands[0].clone())
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let (x, axis) = (operands[0], self.axes(out.len())[0]);
        Tensor::from_fn(out, |index| {
            let mut other = index.to_vec();
            let square = |i: usize| {
                other[axis] = i;
                x.at(&other) * x.at(&other)
            };
            let length = (0..out[axis]).map(square).fold(R::zero(), |sum, square| sum + square).sqrt();
            x.at(index) / reduction::maximum(length, R::from_f64(self.epsilon))
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        // x * rsqrt(max(sum(x^2), epsilon^2)), whose gradient is finite at 0
        let x = cx.operands[0];
        let squares = cx.add(Square {}, &[x]);
        let sum = cx.add(ReduceSum { axes: self.axes(cx.ty(x).rank()), keep_dims: true }, &[squares]);
        let least = cx.constant(self.epsilon * self.epsilon);
        let greater = cx.add(Maximum {}, &[sum, least]);
        let factor = cx.add(Rsqrt {}, &[greater]);
        cx.times(x, factor)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.tensor(&|shape| shape.rank() > 0)?;
        let axis = draw.axis(x.shape())?;
        let axis = if axis + 1 == x.ty.rank() { None } else { Some(axis) };
        Some(Drawn::of(UnitNormalization { axis, epsilon: 0.25 }, [x]).within(4.0))
    }
}
