//! `avg_pool2d`: means of windows.

use super::context::LayerCx;
use super::padding::Padding;
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops;
use crate::ops::facts::{MAPS, Usage};

layer_struct! {
    /// Means of windows of NHWC images; padding is left out of them.
    pub struct AvgPool2d as avg_pool2d(x) {
        /// Height and width of a window.
        pub pool: [usize; 2] where Positive,
        /// Steps along height and width.
        pub strides: Option<[usize; 2]> where Positive = None => "`pool`",
        /// What is added around the image, less than a window.
        pub padding: Padding = Padding::Valid,
    }
}

impl LayerRules for AvgPool2d {
    const USAGE: Usage = Usage {
        purpose: "Makes pictures smaller, here to half the height and width.",
        node: "pool1",
        reads: &[MAPS],
        attributes: || AvgPool2d::new([2, 2]).attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        let [h, w, _] = cx.image_sizes(Self::NAME, x)?;
        let (pool, strides) = (self.pool, self.strides.unwrap_or(self.pool));
        let padding = self.padding.resolve([h, w], pool, strides);
        cx.add(ops::AvgPool2d { pool, strides, padding }, &[x])
    }
}
