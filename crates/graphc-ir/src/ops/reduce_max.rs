//! `reduce_max`: greatest element over axes.

use super::draw::{Draw, Drawn};
use super::facts::{MAPS, Usage};
use super::{Equal, Lowering, OpRules, reduction};
use crate::attrs::{AttrValue, OpAttrs};
use crate::compute::Combine;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// Greatest element over `axes`; NaN if any of them is.
    pub struct ReduceMax {
        /// Reduced dimensions, ascending, at least one.
        pub axes: Vec<usize>,
        /// Whether they stay, with size 1.
        pub keep_dims: bool,
    }
}

impl OpRules for ReduceMax {
    const NAME: &'static str = "reduce_max";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "maximum over dimensions; ties share the gradient";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "The largest values; over height and width it is global max pooling.",
        node: "peaks",
        reads: &[MAPS],
        attributes: || ReduceMax { axes: vec![1, 2], keep_dims: false }.attrs(),
        optional: &[("keep_dims", AttrValue::Bool(false))],
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        reduction::infer_some(operands[0], &self.axes, self.keep_dims)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        reduction::eval(operands[0], &self.axes, out, R::neg_infinity(), |max, x| reduction::maximum(x, max))
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = mask * dy / sum(mask), mask = (x == y); NaN if y is, since then the mask is 0
        let x = cx.operands[0];
        let kept = reduction::kept_shape(&cx.ty(x).shape, &self.axes);
        let y = cx.reshaped(cx.node, &kept);
        let mask = cx.add(Equal {}, &[x, y]);
        let n_ties = cx.sum(mask, &self.axes, true);
        let dy = cx.reshaped(dy, &kept);
        let share = cx.over(dy, n_ties);
        vec![Some(cx.times(mask, share))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        Lowering::Compute(reduction::lower(operands[0], &self.axes, self.keep_dims, out, Combine::Max))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (x, axes, keep_dims) = reduction::draw(draw)?;
        Some(Drawn::of(ReduceMax { axes, keep_dims }, [x]))
    }
}
