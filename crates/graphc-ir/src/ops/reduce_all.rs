//! `reduce_all`: whether all elements over axes are true.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Equal, Expand, LogicalNot, OpRules, ReduceMax, reduction, truth};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// 1 if all elements over `axes` are true, otherwise 0: every number but 0 is true, and NaN is. It has no gradient.
    pub struct ReduceAll {
        /// Reduced dimensions, ascending, at least one.
        pub axes: Vec<usize>,
        /// Whether they stay, with size 1.
        pub keep_dims: bool = false,
    }
}

impl OpRules for ReduceAll {
    const NAME: &'static str = "reduce_all";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "1 if all elements over dimensions are true, otherwise 0";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Whether conditions hold everywhere.",
        node: "is_whole",
        reads: &[FEATURES],
        attributes: || ReduceAll { axes: vec![1], keep_dims: false }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        reduction::infer_some(operands[0], &self.axes, self.keep_dims)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let all = |all: R, x: R| truth::number(truth::is_true(all) && truth::is_true(x));
        reduction::eval(operands[0], &self.axes, out, R::one(), all)
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let zero = cx.constant(0.0);
        let is_false = cx.add(Equal {}, &[cx.operands[0], zero]);
        let any_false = cx.add(ReduceMax { axes: self.axes.clone(), keep_dims: self.keep_dims }, &[is_false]);
        cx.add(LogicalNot {}, &[any_false])
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (x, axes, keep_dims) = reduction::draw_given(draw)?;
        Some(Drawn::of(ReduceAll { axes, keep_dims }, [x]).within(1.0))
    }
}
