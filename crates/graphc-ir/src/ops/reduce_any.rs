//! `reduce_any`: whether any element over axes is true.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Expand, NotEqual, OpRules, ReduceMax, reduction, truth};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// 1 if any element over `axes` is true, otherwise 0: every number but 0 is true, and NaN is. It has no gradient.
    pub struct ReduceAny {
        /// Reduced dimensions, ascending, at least one.
        pub axes: Vec<usize>,
        /// Whether they stay, with size 1.
        pub keep_dims: bool = false,
    }
}

impl OpRules for ReduceAny {
    const NAME: &'static str = "reduce_any";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "1 if any element over dimensions is true, otherwise 0";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Whether there is anything, such as a step of a sequence that is no padding.",
        node: "is_there",
        reads: &[FEATURES],
        attributes: || ReduceAny { axes: vec![1], keep_dims: false }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        reduction::infer_some(operands[0], &self.axes, self.keep_dims)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let any = |any: R, x: R| truth::number(truth::is_true(any) || truth::is_true(x));
        reduction::eval(operands[0], &self.axes, out, R::zero(), any)
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let zero = cx.constant(0.0);
        let truths = cx.add(NotEqual {}, &[cx.operands[0], zero]);
        cx.add(ReduceMax { axes: self.axes.clone(), keep_dims: self.keep_dims }, &[truths])
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (x, axes, keep_dims) = reduction::draw_given(draw)?;
        Some(Drawn::of(ReduceAny { axes, keep_dims }, [x]).within(1.0))
    }
}
