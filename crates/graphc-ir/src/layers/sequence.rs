//! What layers of sequences `[N,T,c]` share: they are layers of images one row high.

use super::context::LayerCx;
use super::padding::Padding1d;
use crate::graph::NodeId;
use crate::graph::builder::{BuildError, BuildResult};
use crate::ops::{ExpandDims, Op, Squeeze, Windows};
use crate::types::{DType, Dim, TypeError};

/// A sequence as images one row high.
pub(super) struct Sequence {
    pub(super) images: NodeId,
    /// How many steps it has.
    pub(super) steps: usize,
    pub(super) channels: usize,
}

/// Steps and channels of the sequence that the layer reads; `layer` is what it is called.
pub(super) fn sizes(cx: &LayerCx<'_>, layer: &str, x: NodeId) -> Result<[usize; 2], BuildError> {
    let ty = cx.ty(x);
    match ty.shape.0.as_slice() {
        &[_, Dim::Fixed(steps), Dim::Fixed(c)] if ty.dtype == DType::F32 => Ok([steps, c]),
        _ => cx.fail(TypeError::operand(0, format!("{layer} expects an f32 sequence of shape [N,T,c], got {ty}"))),
    }
}

impl Sequence {
    /// What the layer reads.
    pub(super) fn read(cx: &mut LayerCx<'_>, layer: &str) -> Result<Sequence, BuildError> {
        let x = cx.inputs[0];
        let [steps, channels] = sizes(cx, layer, x)?;
        let images = cx.part("images", ExpandDims { axis: 1 }, &[x])?;
        Ok(Sequence { images, steps, channels })
    }

    /// Windows of so many steps.
    pub(super) fn windows(&self, kernel: usize, stride: usize, padding: Padding1d, dilation: usize) -> Windows {
        let [_, span] = Windows::span([1, kernel], [1, dilation]);
        let padding = padding.resolve(self.steps, span, stride);
        Windows { dilation: [1, dilation], ..Windows::new([1, stride], padding) }
    }
}

/// What makes a sequence of images one row high again.
pub(super) fn joined() -> Op {
    Squeeze { axes: vec![1] }.into()
}

/// The layer's result: windows of the sequence that it reads, taken together by an op of them.
pub(super) fn pooled(
    cx: &mut LayerCx<'_>,
    layer: &str,
    [pool, stride]: [usize; 2],
    padding: Padding1d,
    op: impl FnOnce([usize; 2], Windows) -> Op,
) -> BuildResult {
    let x = Sequence::read(cx, layer)?;
    let windows = x.windows(pool, stride, padding, 1);
    let pooled = cx.part("pooled", op([1, pool], windows), &[x.images])?;
    cx.add(joined(), &[pooled])
}
