//! `cropping2d`: the middle of images.

use super::context::LayerCx;
use super::padding::sides;
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops::Slice;
use crate::ops::facts::{MAPS, Usage};
use crate::types::TypeError;

layer_struct! {
    /// NHWC images without what is near their edges.
    pub struct Cropping2d as cropping2d(x) {
        /// How many rows above and below and columns left and right: two numbers, or four for top, bottom, left, right.
        pub cropping: Vec<usize> = vec![0, 0],
    }
}

impl LayerRules for Cropping2d {
    const USAGE: Usage = Usage {
        purpose: "Brings pictures to one size before they are joined, as in a U-net.",
        node: "middle",
        reads: &[MAPS],
        attributes: || Cropping2d { cropping: vec![2, 2] }.attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        let [h, w, _] = cx.image_sizes(Self::NAME, x)?;
        let [top, bottom, left, right] = sides(cx, Self::NAME, "cropping", &self.cropping)?;
        if top.saturating_add(bottom) >= h || left.saturating_add(right) >= w {
            let cropping = &self.cropping;
            let message = format!("cropping2d expects a `cropping` that leaves something of {h}x{w}, got {cropping:?}");
            return cx.fail(TypeError::operand(0, message));
        }
        let rows = cx.part("rows", Slice::part(1, top, h - bottom), &[x])?;
        cx.add(Slice::part(2, left, w - right), &[rows])
    }
}
