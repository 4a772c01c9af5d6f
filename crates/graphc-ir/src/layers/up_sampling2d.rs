//! `up_sampling2d`: larger images of the same pixels, or of what lies between them.

use super::context::LayerCx;
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::choice;
use crate::graph::NodeId;
use crate::graph::builder::BuildResult;
use crate::ops::facts::{MAPS, Usage};
use crate::ops::{Add, Broadcast, ExpandDims, Literal, Mul, Pad, PadMode, Reshape, Slice};
use crate::types::{Dim, Shape, TypeError};

choice! {
    /// What the new pixels of a larger image are.
    pub enum Interpolation {
        /// The nearest pixel.
        Nearest = "nearest",
        /// Means of the nearest two along each direction, weighted by how near they are.
        Bilinear = "bilinear",
    }
}

layer_struct! {
    /// NHWC images so many times as high and wide. With the interpolation `"nearest"` every pixel is repeated:
    /// `y[h, w] = x[h / size[0], w / size[1]]`. With `"bilinear"` pixel `h` lies at `(h + 0.5) / size[0] - 0.5` between
    /// rows of `x`, as in Keras and as PyTorch's `align_corners=False`; outside are the pixels at the edge.
    pub struct UpSampling2d as up_sampling2d(x) {
        /// How many times, along height and width.
        pub size: [usize; 2] where Positive = [2, 2],
        /// What new pixels are.
        pub interpolation: Interpolation = Interpolation::Nearest,
    }
}

impl LayerRules for UpSampling2d {
    const USAGE: Usage = Usage {
        purpose: "Makes pictures larger without parameters, in front of a convolution: decoders, segmentation.",
        node: "up1",
        reads: &[MAPS],
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let images = cx.inputs[0];
        let ([h, w, c], [down, right]) = (cx.image_sizes(Self::NAME, images)?, self.size);
        if self.interpolation == Interpolation::Bilinear && down.max(right) > MOST_SHARES {
            let found = format!("{:?}", self.size);
            let message = format!("{} expects a `size` of at most {MOST_SHARES} between pixels, got {found}", Self::NAME);
            return cx.fail(TypeError::new(message));
        }
        if self.interpolation == Interpolation::Bilinear && self.size != [1, 1] {
            let rows = if down == 1 { images } else { interpolated(cx, images, 1, down, right == 1)? };
            return if right == 1 { Ok(rows) } else { interpolated(cx, rows, 2, right, true) };
        }
        let pixels = cx.part("pixels", Reshape { shape: Shape::batched(&[h, 1, w, 1, c]) }, &[images])?;
        let shape = Shape::batched(&[h, down, w, right, c]);
        let repeated = cx.part("repeated", Broadcast { shape }, &[pixels])?;
        cx.add(Reshape { shape: Shape::batched(&[h * down, w * right, c]) }, &[repeated])
    }
}

/// Most pixels between two; each has its own shares of them.
const MOST_SHARES: usize = 1024;

/// Shares of the pixel before, of the pixel itself and of the one behind it in the pixels that replace it.
fn shares(factor: usize) -> [Vec<f64>; 3] {
    let offsets = (0..factor).map(|i| (i as f64 + 0.5) / factor as f64 - 0.5);
    let shares = offsets.map(|offset| [(-offset).max(0.0), 1.0 - offset.abs(), offset.max(0.0)]);
    let shares: Vec<[f64; 3]> = shares.collect();
    [0, 1, 2].map(|which| shares.iter().map(|share| share[which]).collect())
}

/// `factor` pixels for each along an axis, 1 or 2; the last node is the layer's result if `is_last`.
fn interpolated(cx: &mut LayerCx<'_>, x: NodeId, axis: usize, factor: usize, is_last: bool) -> BuildResult {
    let which = ["rows", "columns"][axis - 1];
    let name = |part: &str| format!("{which}_{part}");
    let mut shape = cx.ty(x).shape;
    let size = cx.fixed_dim(&cx.ty(x), axis, "the size")?;
    let padded = cx.part(&name("padded"), Pad { mode: PadMode::Edge, ..Pad::zeros(axis, 1, 1) }, &[x])?;
    let before = cx.part(&name("before"), Slice::part(axis, 0, size), &[padded])?;
    let behind = cx.part(&name("behind"), Slice::part(axis, 2, size + 2), &[padded])?;
    let mut terms = Vec::new();
    for ((part, pixels), shares) in [("first", before), ("own", x), ("second", behind)].into_iter().zip(shares(factor)) {
        // A new axis behind this one, along which the shares lie.
        let sizes: Vec<usize> = [factor].into_iter().chain((axis + 1..4).map(|_| 1)).collect();
        let apart = cx.part(&name(&format!("{part}_pixels")), ExpandDims { axis: axis + 1 }, &[pixels])?;
        let shares = cx.part(&name(&format!("{part}_shares")), Literal::f32(&sizes, shares), &[])?;
        terms.push(cx.part(&name(part), Mul {}, &[apart, shares])?);
    }
    let sum = cx.part(&name("sum"), Add {}, &[terms[1], terms[0]])?;
    let sum = cx.part(&name("all"), Add {}, &[sum, terms[2]])?;
    shape.0[axis] = Dim::Fixed(size.saturating_mul(factor));
    let joined = Reshape { shape };
    if is_last { cx.add(joined, &[sum]) } else { cx.part(which, joined, &[sum]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_half_pixel_centres() {
        assert_eq!(shares(2), [vec![0.25, 0.0], vec![0.75, 0.75], vec![0.0, 0.25]]);
        assert_eq!(shares(4)[1], [0.625, 0.875, 0.875, 0.625]);
        assert_eq!(shares(1), [[0.0], [1.0], [0.0]].map(Vec::from));
    }
}
