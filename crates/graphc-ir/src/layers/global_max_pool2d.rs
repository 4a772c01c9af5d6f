//! `global_max_pool2d`: maxima of whole images.

use super::context::LayerCx;
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::graph::builder::BuildResult;
use crate::ops::ReduceMax;
use crate::ops::facts::{MAPS, Usage};

layer_struct! {
    /// Maxima over height and width of NHWC images: `[N,c]`.
    pub struct GlobalMaxPool2d as global_max_pool2d(x) {
        /// Whether height and width stay, with size 1: `[N,1,1,c]`. Keras's `keepdims`.
        pub keep_dims: bool = false,
    }
}

impl LayerRules for GlobalMaxPool2d {
    const USAGE: Usage = Usage {
        purpose: "As `global_avg_pool2d`: whether a channel finds something anywhere in the picture.",
        node: "pooled",
        reads: &[MAPS],
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let images = cx.inputs[0];
        cx.image_sizes(Self::NAME, images)?;
        cx.add(ReduceMax { axes: vec![1, 2], keep_dims: self.keep_dims }, &[images])
    }
}
