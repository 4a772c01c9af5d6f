//! `reduce_l1`: the sum of magnitudes over axes.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Abs, Expand, OpRules, ReduceSum, reduction};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `sum(|x|)` over `axes`, the 1-norm. Its gradient at 0 is 0.
    pub struct ReduceL1 {
        /// Reduced dimensions, ascending, at least one.
        pub axes: Vec<usize>,
        /// Whether they stay, with size 1.
        pub keep_dims: bool = false,
    }
}

impl OpRules for ReduceL1 {
    const NAME: &'static str = "reduce_l1";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "1-norm over dimensions: the sum of magnitudes";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "How large vectors are, by the sum of their magnitudes.",
        node: "length",
        reads: &[FEATURES],
        attributes: || ReduceL1 { axes: vec![1], keep_dims: false }.attrs(),
        ..Usage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        Ok(TensorType::f32(reduction::infer(operands[0], &self.axes, self.keep_dims)?))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        reduction::eval(operands[0], &self.axes, out, R::zero(), |sum, x| sum + x.abs())
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let magnitudes = cx.add(Abs {}, &[cx.operands[0]]);
        cx.add(ReduceSum { axes: self.axes.clone(), keep_dims: self.keep_dims }, &[magnitudes])
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (x, axes, keep_dims) = reduction::draw(draw)?;
        Some(Drawn::of(ReduceL1 { axes, keep_dims }, [x]))
    }
}
