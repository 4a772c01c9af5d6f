//! `slice`: a stretch of one axis.

use super::draw::{Draw, Drawn};
use super::axis::{axis_size, with_size};
use super::facts::Usage;
use super::{Lowering, OpRules, Pad};
use crate::attrs::OpAttrs;
use crate::compute::{Compute, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `y[.., i, ..] = x[.., start + step * i, ..]` along `axis`, from `start` to before `end`.
    pub struct Slice {
        /// The dimension that is cut, counted from 0; not the batch.
        pub axis: usize,
        /// The first coordinate.
        pub start: usize = 0,
        /// The coordinate behind the last one.
        pub end: usize,
        /// From one coordinate to the next.
        pub step: usize where Positive = 1,
    }
}

impl OpRules for Slice {
    const NAME: &'static str = "slice";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "every `step`th coordinate of one dimension from `start` to before `end`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Takes a part of a sequence, of an image or of the features.",
        node: "last_ten",
        reads: &[("steps", DType::F32, &[20, 8])],
        attributes: || Slice { axis: 1, start: 10, end: 20, step: 1 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let size = axis_size(Self::NAME, 0, operands[0], self.axis)?;
        let (start, end) = (self.start, self.end);
        if start >= end || end > size {
            let expected = format!("start < end <= {size} along axis {} of {}", self.axis, operands[0]);
            return Err(TypeError::new(format!("slice expects {expected}, got {start} to {end}")));
        }
        Ok(with_size(operands[0], self.axis, (end - start).div_ceil(self.step)))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        Tensor::from_fn(out, |index| {
            let mut from = index.to_vec();
            from[self.axis] = self.start + self.step * index[self.axis];
            operands[0].at(&from)
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx[start + step * i] = dy[i], 0 elsewhere
        let axis = self.axis;
        let sizes = [cx.operands[0], cx.node].map(|id| cx.ty(id).fixed_dim(axis, "the axis").expect("it is sliced"));
        let after = sizes[0] - self.start - (1 + (sizes[1] - 1) * self.step);
        let pad = Pad { axis, before: self.start, after, interior: self.step - 1, value: 0.0 };
        vec![Some(if pad.is_nothing() { dy } else { cx.add(pad, &[dy]) })]
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        let mut index: Vec<_> = (0..out.rank()).map(Compute::axis).collect();
        index[self.axis] = index[self.axis].times(self.step as i64).plus_constant(self.start as i64);
        Lowering::Compute(Compute::map(&out.shape.0, build::load(0, index)))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.any()?;
        let axis = draw.axis(x.shape())?;
        let size = x.ty.fixed_dim(axis, "the axis").ok()?;
        let start = draw.pick(size);
        let (end, step) = (size - draw.pick(size - start), 1 + draw.pick(3));
        let bound = x.bound;
        Some(Drawn::of(Slice { axis, start, end, step }, [x]).within(bound))
    }
}
