//! `avg_pool2d`: means of windows.

use super::context::LayerCx;
use super::padding::Padding;
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops;
use crate::ops::facts::{MAPS, Usage};

layer_struct! {
    /// Means of windows of NHWC images.
    pub struct AvgPool2d as avg_pool2d(x) {
        /// Height and width of a window.
        pub pool: [usize; 2] where Positive,
        /// Steps along height and width.
        pub strides: Option<[usize; 2]> where Positive = None => "`pool`",
        /// What is added around the image, less than a window.
        pub padding: Padding = Padding::Valid,
        /// Whether padding counts as zeros, as in PyTorch by default. Otherwise it is left out of the means, as in Keras.
        pub count_include_pad: bool = false,
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
        if !self.count_include_pad || padding == [0; 4] {
            return cx.add(ops::AvgPool2d { pool, strides, padding }, &[x]);
        }
        let [top, bottom, left, right] = padding;
        let rows = cx.part("rows", ops::Pad::zeros(1, top, bottom), &[x])?;
        let padded = cx.part("padded", ops::Pad::zeros(2, left, right), &[rows])?;
        cx.add(ops::AvgPool2d { pool, strides, padding: [0; 4] }, &[padded])
    }
}
