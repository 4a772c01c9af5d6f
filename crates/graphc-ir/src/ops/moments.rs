//! `moments`: mean and variance at once, each a result.

use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::{Expand, OpRules, ReduceMean, ReduceVariance};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// Result 0 is the mean over `axes`, result 1 the variance: the mean of squared deviations.
    pub struct Moments {
        /// The dimensions that are taken together, counted from 0.
        pub axes: Vec<usize>,
        /// Whether they stay, with size 1.
        pub keep_dims: bool = false,
        /// Which of the two, counted from 0.
        pub result: usize = 0,
    }
}

impl Moments {
    fn mean(&self) -> ReduceMean {
        ReduceMean { axes: self.axes.clone(), keep_dims: self.keep_dims }
    }

    fn variance(&self) -> ReduceVariance {
        ReduceVariance { axes: self.axes.clone(), keep_dims: self.keep_dims }
    }
}

impl OpRules for Moments {
    const NAME: &'static str = "moments";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "mean and variance over dimensions, each a result";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Statistics of what a net computes, to shift and scale it by.",
        node: "statistics",
        reads: &[("steps", DType::F32, &[20, 8])],
        attributes: || Moments { axes: vec![1], keep_dims: false, result: 0 }.attrs(),
        ..Usage::PLAIN
    });

    fn n_results(&self) -> usize {
        2
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        match self.result {
            0 | 1 => self.mean().infer(operands),
            result => Err(TypeError::new(format!("moments has 2 results, got result {result}"))),
        }
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        if self.result == 0 { self.mean().eval(operands, out) } else { self.variance().eval(operands, out) }
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let x = cx.operands[0];
        if self.result == 0 { cx.add(self.mean(), &[x]) } else { cx.add(self.variance(), &[x]) }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.tensor(&|shape| shape.rank() > 0)?;
        let axes = draw.axes(x.ty.rank())?;
        let (keep_dims, result) = (draw.flag(), draw.pick(2));
        let bound = x.bound.max(x.bound * x.bound);
        Some(Drawn::of(Moments { axes, keep_dims, result }, [x]).within(bound))
    }
}
