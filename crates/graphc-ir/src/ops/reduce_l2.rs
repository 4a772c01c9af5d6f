//! `reduce_l2`: the length of vectors over axes.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Expand, OpRules, ReduceSum, Sqrt, Where, reduction};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `sqrt(sum(x^2))` over `axes`, the 2-norm. Its gradient at a vector of zeros is 0. As in PyTorch squares may
    /// overflow: above about 1.8e19 the result is infinite.
    pub struct ReduceL2 {
        /// Reduced dimensions, ascending, at least one.
        pub axes: Vec<usize>,
        /// Whether they stay, with size 1.
        pub keep_dims: bool = false,
    }
}

impl OpRules for ReduceL2 {
    const NAME: &'static str = "reduce_l2";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "2-norm over dimensions: the root of the sum of squares";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "The length of vectors, to divide them by it or to keep them small.",
        node: "length",
        reads: &[FEATURES],
        attributes: || ReduceL2 { axes: vec![1], keep_dims: false }.attrs(),
        ..Usage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        Ok(TensorType::f32(reduction::infer(operands[0], &self.axes, self.keep_dims)?))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let mut norm = reduction::eval(operands[0], &self.axes, out, R::zero(), |sum, x| sum + x * x);
        norm.data.iter_mut().for_each(|x| *x = x.sqrt());
        norm
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = x * dy / y, 0 where y is
        let x = cx.operands[0];
        let kept = reduction::kept_shape(&cx.ty(x).shape, &self.axes);
        let [y, dy] = [cx.node, dy].map(|node| cx.reshaped(node, &kept));
        let (share, zero) = (cx.over(dy, y), cx.constant(0.0));
        let share = cx.add(Where {}, &[y, share, zero]);
        vec![Some(cx.times(x, share))]
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::AfterAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let x = cx.operands[0];
        let squares = cx.times(x, x);
        let sum = cx.add(ReduceSum { axes: self.axes.clone(), keep_dims: self.keep_dims }, &[squares]);
        cx.add(Sqrt {}, &[sum])
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (x, axes, keep_dims) = reduction::draw(draw)?;
        Some(Drawn::of(ReduceL2 { axes, keep_dims }, [x]))
    }
}
