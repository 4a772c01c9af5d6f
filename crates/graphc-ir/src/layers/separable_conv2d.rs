//! `separable_conv2d`: a convolution of each channel by itself, then one that mixes the channels.

use super::activation::Activation;
use super::context::{Affine, LayerCx};
use super::padding::Padding;
use super::rules::{LayerFields, LayerRules, layer_struct};
use super::separable::Separable;
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops::facts::{MAPS, Usage};
use crate::ops::{Initializer, Windows};

layer_struct! {
    /// Convolution of each channel by itself, then one with a kernel of 1 that mixes the channels:
    /// `activation(conv2d(conv2d(x, depthwise_kernel), pointwise_kernel) + bias)`; depthwise kernel (height, width,
    /// channels, multiplier), pointwise kernel (1, 1, channels * multiplier, out).
    pub struct SeparableConv2d as separable_conv2d(x) {
        /// Number of output channels.
        pub filters: usize where Positive,
        /// Height and width of the depthwise kernel.
        pub kernel: [usize; 2] where Positive,
        /// Steps along height and width.
        pub strides: [usize; 2] where Positive = [1, 1],
        /// What is added around the image.
        pub padding: Padding = Padding::Valid,
        /// Pixels from one tap of the depthwise kernel to the next; Keras's `dilation_rate`.
        pub dilation: [usize; 2] where Positive = [1, 1],
        /// Depthwise filters for each channel.
        pub depth_multiplier: usize where Positive = 1,
        /// Whether a bias is added.
        pub use_bias: bool = true,
        /// Applied to the result; short for a node of its own.
        pub activation: Option<Activation> = None => "none",
        /// What the depthwise kernel begins with.
        pub depthwise_initializer: Initializer = Initializer::KERNEL,
        /// What the pointwise kernel begins with.
        pub pointwise_initializer: Initializer = Initializer::KERNEL,
        /// What the bias begins with.
        pub bias_initializer: Initializer = Initializer::ZEROS,
    }
}

impl LayerRules for SeparableConv2d {
    const USAGE: Usage = Usage {
        purpose: "A convolution with fewer multiplications: patterns in each channel, then sums over channels.",
        node: "conv1",
        reads: &[MAPS],
        attributes: || SeparableConv2d { padding: Padding::Same, ..SeparableConv2d::new(16, [3, 3]) }.attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let images = cx.inputs[0];
        let [h, w, c] = cx.image_sizes(Self::NAME, images)?;
        let &SeparableConv2d { filters, kernel: [r, s], strides, dilation, .. } = self;
        let padding = self.padding.resolve([h, w], Windows::span([r, s], dilation), strides);
        let separable = Separable {
            images,
            windows: Windows { dilation, groups: c, ..Windows::new(strides, padding) },
            kernel: &[r, s],
            channels: [c, self.depth_multiplier, filters],
            initializers: [&self.depthwise_initializer, &self.pointwise_initializer],
        };
        let bias = self.use_bias.then_some((filters, &self.bias_initializer));
        separable.build(cx, &Affine { bias, activation: &self.activation }, None)
    }
}
