//! `global_avg_pool2d`: means of whole images.

use super::context::LayerCx;
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::graph::builder::BuildResult;
use crate::ops::ReduceMean;
use crate::ops::facts::{MAPS, Usage};

layer_struct! {
    /// Means over height and width of NHWC images: `[N,c]`.
    pub struct GlobalAvgPool2d as global_avg_pool2d(x) {
        /// Whether height and width stay, with size 1: `[N,1,1,c]`. Keras's `keepdims`.
        pub keep_dims: bool = false,
    }
}

impl LayerRules for GlobalAvgPool2d {
    const USAGE: Usage = Usage {
        purpose: "Between the last picture and the last dense layer, in place of `flatten`: one number a channel.",
        node: "pooled",
        reads: &[MAPS],
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let images = cx.inputs[0];
        cx.image_sizes(Self::NAME, images)?;
        cx.add(ReduceMean { axes: vec![1, 2], keep_dims: self.keep_dims }, &[images])
    }
}
