//! `up_sampling2d`: larger images of the same pixels.

use super::context::LayerCx;
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::graph::builder::BuildResult;
use crate::ops::facts::{MAPS, Usage};
use crate::ops::{Broadcast, Reshape};
use crate::types::Shape;

layer_struct! {
    /// NHWC images with every pixel repeated along height and width: `y[h, w] = x[h / size[0], w / size[1]]`, Keras's
    /// interpolation `"nearest"`.
    pub struct UpSampling2d as up_sampling2d(x) {
        /// How often, along height and width.
        pub size: [usize; 2] where Positive = [2, 2],
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
        let pixels = cx.part("pixels", Reshape { shape: Shape::batched(&[h, 1, w, 1, c]) }, &[images])?;
        let shape = Shape::batched(&[h, down, w, right, c]);
        let repeated = cx.part("repeated", Broadcast { shape }, &[pixels])?;
        cx.add(Reshape { shape: Shape::batched(&[h * down, w * right, c]) }, &[repeated])
    }
}
