//! `depthwise_conv2d`: a convolution with filters that read one channel each.

use super::activation::Activation;
use super::context::{Affine, LayerCx};
use super::padding::Padding;
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops::facts::{MAPS, Usage};
use crate::ops::{Conv2d, Initializer, Reshape, Windows};
use crate::types::Shape;

layer_struct! {
    /// Convolution of each channel by itself: `activation(conv2d(x, kernel) + bias)`; kernel (height, width, channels,
    /// multiplier).
    pub struct DepthwiseConv2d as depthwise_conv2d(x) {
        /// Filters for each channel; output `depth_multiplier * c + i` is the `i`-th of channel `c`.
        pub depth_multiplier: usize where Positive = 1,
        /// Height and width of the kernel.
        pub kernel: [usize; 2] where Positive,
        /// Steps along height and width.
        pub strides: [usize; 2] where Positive = [1, 1],
        /// What is added around the image.
        pub padding: Padding = Padding::Valid,
        /// Pixels from one tap of the kernel to the next; Keras's `dilation_rate`.
        pub dilation: [usize; 2] where Positive = [1, 1],
        /// Whether a bias is added.
        pub use_bias: bool = true,
        /// Applied to the result; short for a node of its own.
        pub activation: Option<Activation> = None => "none",
        /// What the kernel begins with.
        pub kernel_initializer: Initializer = Initializer::KERNEL,
        /// What the bias begins with.
        pub bias_initializer: Initializer = Initializer::ZEROS,
    }
}

impl LayerRules for DepthwiseConv2d {
    const USAGE: Usage = Usage {
        purpose: "Looks for patterns in every channel alone; with a `conv2d` of kernel 1 behind it, a cheaper convolution.",
        node: "depth1",
        reads: &[MAPS],
        attributes: || DepthwiseConv2d { padding: Padding::Same, ..DepthwiseConv2d::new([3, 3]) }.attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        let [h, w, c] = cx.image_sizes(Self::NAME, x)?;
        let &DepthwiseConv2d { depth_multiplier, kernel: [r, s], strides, dilation, .. } = self;
        let kernel = cx.weight("kernel", &[r, s, c, depth_multiplier], self.kernel_initializer.clone())?;
        // The same words, a filter of one channel each.
        let n_filters = c.saturating_mul(depth_multiplier);
        let filters = cx.part("filters", Reshape { shape: Shape::fixed(&[r, s, 1, n_filters]) }, &[kernel])?;
        let padding = self.padding.resolve([h, w], Windows::span([r, s], dilation), strides);
        let windows = Windows { dilation, groups: c, ..Windows::new(strides, padding) };
        let bias = self.use_bias.then_some((n_filters, &self.bias_initializer));
        cx.affine(Conv2d::of(windows), [x, filters], &Affine { bias, activation: &self.activation })
    }
}
