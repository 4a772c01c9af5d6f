//! `reduce_variance`: population variance over axes.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Expand, Lowering, OpRules, ReduceMean, elementwise, reduction};
use crate::attrs::{AttrValue, OpAttrs};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `mean((x - mean(x))^2)` over `axes`.
    pub struct ReduceVariance {
        /// Reduced dimensions, ascending, at least one.
        pub axes: Vec<usize>,
        /// Whether they stay, with size 1.
        pub keep_dims: bool,
    }
}

impl OpRules for ReduceVariance {
    const NAME: &'static str = "reduce_variance";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "population variance over dimensions";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "How much values spread, as a normalisation needs it.",
        node: "spread",
        reads: &[FEATURES],
        attributes: || ReduceVariance { axes: vec![1], keep_dims: true }.attrs(),
        optional: &[("keep_dims", AttrValue::Bool(false))],
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        reduction::infer_some(operands[0], &self.axes, self.keep_dims)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let x = operands[0];
        let kept: Vec<usize> =
            x.shape.iter().enumerate().map(|(axis, &size)| if self.axes.contains(&axis) { 1 } else { size }).collect();
        let mean = ReduceMean { axes: self.axes.clone(), keep_dims: true }.eval(operands, &kept);
        let squares = elementwise::eval(&[x, &mean], &x.shape, |[x, mean]| (x - mean) * (x - mean));
        ReduceMean { axes: self.axes.clone(), keep_dims: self.keep_dims }.eval(&[&squares], out)
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy * 2 / count * (x - mean(x)); the mean's own derivative sums to zero
        let x = cx.operands[0];
        let shape = cx.ty(x).shape;
        let mean = cx.add(ReduceMean { axes: self.axes.clone(), keep_dims: self.keep_dims }, &[x]);
        let mean = reduction::aligned(cx, mean, &shape, &self.axes);
        let deviation = cx.minus(x, mean);
        let twice = cx.scaled(dy, 2.0);
        let share = reduction::divided_by_count(cx, twice, &shape, &self.axes);
        let share = reduction::aligned(cx, share, &shape, &self.axes);
        vec![Some(cx.times(share, deviation))]
    }

    fn composite(&self, operands: &[&TensorType]) -> Option<Expand> {
        match operands[0].shape.batch_axis() {
            Some(axis) if self.axes.contains(&axis) => None,
            // Within a sample two passes are as good, and they are ordinary nodes.
            _ => Some(Expand::AfterAutodiff),
        }
    }

    fn lower(&self, _: &[&TensorType], _: &TensorType) -> Lowering {
        Lowering::Variance { axes: self.axes.clone() }
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let x = cx.operands[0];
        let mean = cx.add(ReduceMean { axes: self.axes.clone(), keep_dims: true }, &[x]);
        let deviation = cx.minus(x, mean);
        let square = cx.times(deviation, deviation);
        cx.add(ReduceMean { axes: self.axes.clone(), keep_dims: self.keep_dims }, &[square])
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (x, axes, keep_dims) = reduction::draw(draw)?;
        Some(Drawn::of(ReduceVariance { axes, keep_dims }, [x]))
    }
}
