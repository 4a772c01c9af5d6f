//! `zero_padding2d`: zeros around images.

use super::context::LayerCx;
use super::padding::sides;
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::graph::builder::BuildResult;
use crate::ops::Pad;
use crate::ops::facts::{MAPS, Usage};

layer_struct! {
    /// NHWC images with zeros around them.
    pub struct ZeroPadding2d as zero_padding2d(x) {
        /// How many rows above and below and columns left and right: two numbers, or four for top, bottom, left, right.
        pub padding: Vec<usize> = vec![1, 1],
    }
}

impl LayerRules for ZeroPadding2d {
    const USAGE: Usage = Usage {
        purpose: "Makes pictures larger in front of a convolution. A convolution has `padding` of its own.",
        node: "padded",
        reads: &[MAPS],
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        cx.image_sizes(Self::NAME, x)?;
        let [top, bottom, left, right] = sides(cx, Self::NAME, "padding", &self.padding)?;
        let rows = cx.part("rows", Pad::zeros(1, top, bottom), &[x])?;
        cx.add(Pad::zeros(2, left, right), &[rows])
    }
}
