//! `slice`: a stretch of one axis.

use super::draw::{Draw, Drawn};
use super::axis::{axis_size, with_size};
use super::facts::Usage;
use super::{Expand, Flip, Lowering, OpRules, Pad};
use crate::attrs::OpAttrs;
use crate::compute::{Compute, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `y[.., i, ..] = x[.., start + step * i, ..]` along `axis`, from `start` to before `end`, as `x[start:end:step]` of
    /// NumPy: where a number is negative, it counts from the end. Other than there, `start` and `end` must lie within
    /// the dimension, and something must be between them.
    pub struct Slice {
        /// The dimension that is cut, counted from 0; not the batch.
        pub axis: usize,
        /// The first coordinate; -1 is the last one of the dimension.
        pub start: i64 = 0,
        /// The coordinate behind the last one.
        pub end: Option<i64> = None => "the end of the dimension, with a negative `step` its beginning",
        /// From one coordinate to the next, not 0; a negative one goes towards the beginning.
        pub step: i64 = 1,
    }
}

impl Slice {
    /// The coordinates from `start` to before `end`.
    pub fn part(axis: usize, start: usize, end: usize) -> Slice {
        Slice::steps(axis, start, end, 1)
    }

    /// Every `step`th coordinate from `start` to before `end`.
    pub(super) fn steps(axis: usize, start: usize, end: usize, step: usize) -> Slice {
        Slice { axis, start: start as i64, end: Some(end as i64), step: step as i64 }
    }

    /// The least coordinate of the result and the number of them, of a dimension of that size.
    fn range(&self, size: usize) -> Option<(usize, usize)> {
        let size = size as i64;
        let counted = |i: i64, end: i64| Some(if i < 0 { i + size } else { i }).filter(|i| (0..end).contains(i));
        let start = counted(self.start, size)?;
        let end = match self.end {
            Some(end) => counted(end, size + 1)?,
            None if self.step < 0 => -1,
            None => size,
        };
        let span = if self.step < 0 { start - end } else { end - start };
        let (span, step) = (usize::try_from(span).ok()?, usize::try_from(self.step.unsigned_abs()).ok()?);
        if span == 0 || step == 0 {
            return None;
        }
        let (first, n) = (start as usize, span.div_ceil(step));
        Some((if self.step < 0 { first - (n - 1) * step } else { first }, n))
    }

    /// The same of an operand that it fits.
    fn range_of(&self, x: &TensorType) -> (usize, usize) {
        let size = x.fixed_dim(self.axis, "the axis").expect("it is sliced");
        self.range(size).expect("the node has a type")
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
        attributes: || Slice { axis: 1, start: -10, end: None, step: 1 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let size = axis_size(Self::NAME, 0, operands[0], self.axis)?;
        if self.step == 0 {
            return Err(TypeError::new("slice expects a `step` other than 0"));
        }
        let Some((_, n)) = self.range(size) else {
            let order = if self.step < 0 { format!("end < start < {size}") } else { format!("start < end <= {size}") };
            let end = self.end.map_or("the end".to_string(), |end| end.to_string());
            let (axis, x, start) = (self.axis, operands[0], self.start);
            return Err(TypeError::new(format!("slice expects {order} along axis {axis} of {x}, got {start} to {end}")));
        };
        Ok(with_size(operands[0], self.axis, n))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let size = operands[0].shape[self.axis] as i64;
        let start = if self.start < 0 { self.start + size } else { self.start };
        Tensor::from_fn(out, |index| {
            let mut from = index.to_vec();
            from[self.axis] = (start + self.step * index[self.axis] as i64) as usize;
            operands[0].at(&from)
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx[start + step * i] = dy[i], 0 elsewhere
        let x = cx.ty(cx.operands[0]);
        let size = x.fixed_dim(self.axis, "the axis").expect("it is sliced");
        let (before, n) = self.range_of(&x);
        let interior = self.step as usize - 1;
        let after = size - before - (1 + (n - 1) * (interior + 1));
        let pad = Pad { interior, ..Pad::zeros(self.axis, before, after) };
        vec![Some(if pad.is_nothing() { dy } else { cx.add(pad, &[dy]) })]
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        (self.step < 0).then_some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        // The same coordinates from the least one on, in the other direction.
        let x = cx.operands[0];
        let ((first, n), step) = (self.range_of(&cx.ty(x)), self.step.unsigned_abs() as usize);
        let forward = cx.add(Slice::steps(self.axis, first, first + (n - 1) * step + 1, step), &[x]);
        cx.add(Flip { axis: self.axis }, &[forward])
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        let (first, _) = self.range_of(operands[0]);
        let mut index: Vec<_> = (0..out.rank()).map(Compute::axis).collect();
        index[self.axis] = index[self.axis].times(self.step).plus_constant(first as i64);
        Lowering::Compute(Compute::map(&out.shape.0, build::load(0, index)))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.any()?;
        let axis = draw.axis(x.shape())?;
        let size = x.ty.fixed_dim(axis, "the axis").ok()?;
        let start = draw.pick(size);
        let (end, step) = (size - draw.pick(size - start), 1 + draw.pick(3));
        let mut op = Slice::steps(axis, start, end, step);
        if draw.pick(4) == 3 {
            let behind = start.checked_sub(1).map(|behind| behind as i64);
            op = Slice { start: end as i64 - 1, end: behind, step: -op.step, ..op };
        }
        if draw.pick(4) == 3 {
            op.start -= size as i64;
        }
        let bound = x.bound;
        Some(Drawn::of(op, [x]).within(bound))
    }
}
