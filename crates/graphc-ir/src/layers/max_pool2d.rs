//! `max_pool2d`: maxima of windows.

use super::context::LayerCx;
use super::padding::Padding;
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops;
use crate::ops::facts::{MAPS, Usage};

layer_struct! {
    /// Maxima of windows of NHWC images.
    pub struct MaxPool2d as max_pool2d(x) {
        /// Height and width of a window.
        pub pool: [usize; 2] where Positive,
        /// Steps along height and width.
        pub strides: Option<[usize; 2]> where Positive = None => "`pool`",
        /// What is added around the image, less than a window.
        pub padding: Padding = Padding::Valid,
    }
}

impl LayerRules for MaxPool2d {
    const USAGE: Usage = Usage {
        purpose: "Makes pictures smaller and keeps the strongest value of every window.",
        node: "pool1",
        reads: &[MAPS],
        attributes: || MaxPool2d::new([2, 2]).attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        let [h, w, _] = cx.image_sizes(Self::NAME, x)?;
        let (pool, strides) = (self.pool, self.strides.unwrap_or(self.pool));
        let padding = self.padding.resolve([h, w], pool, strides);
        cx.add(ops::MaxPool2d { pool, strides, padding }, &[x])
    }
}
