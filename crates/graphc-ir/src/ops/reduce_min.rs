//! `reduce_min`: least element over axes.

use super::draw::{Draw, Drawn};
use super::facts::{MAPS, Usage};
use super::{Expand, OpRules, ReduceMax, reduction};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// Least element over `axes`; NaN if any of them is. It is `-reduce_max(-x)`: ties share the gradient.
    pub struct ReduceMin {
        /// Reduced dimensions, ascending, at least one.
        pub axes: Vec<usize>,
        /// Whether they stay, with size 1.
        pub keep_dims: bool = false,
    }
}

impl OpRules for ReduceMin {
    const NAME: &'static str = "reduce_min";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "minimum over dimensions; ties share the gradient";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "The smallest values.",
        node: "lows",
        reads: &[MAPS],
        attributes: || ReduceMin { axes: vec![1, 2], keep_dims: false }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        reduction::infer_some(operands[0], &self.axes, self.keep_dims)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        reduction::eval(operands[0], &self.axes, out, R::infinity(), |min, x| -reduction::maximum(-x, -min))
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let minus_x = cx.negative(cx.operands[0]);
        let max = cx.add(ReduceMax { axes: self.axes.clone(), keep_dims: self.keep_dims }, &[minus_x]);
        cx.negative(max)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (x, axes, keep_dims) = reduction::draw(draw)?;
        Some(Drawn::of(ReduceMin { axes, keep_dims }, [x]))
    }
}
