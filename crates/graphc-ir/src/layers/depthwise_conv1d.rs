//! `depthwise_conv1d`: a convolution of sequences with filters that read one channel each.

use super::activation::Activation;
use super::context::{Affine, LayerCx};
use super::padding::Padding1d;
use super::rules::{LayerFields, LayerRules, layer_struct};
use super::sequence::{Sequence, joined};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops::facts::Usage;
use crate::ops::{Conv2d, Initializer, Reshape, Windows};
use crate::types::{DType, Shape};

layer_struct! {
    /// Convolution of each channel of sequences `[N,T,c]` by itself: `activation(conv(x, kernel) + bias)`; kernel
    /// (steps, channels, multiplier).
    pub struct DepthwiseConv1d as depthwise_conv1d(x) {
        /// Filters for each channel; output `depth_multiplier * c + i` is the `i`-th of channel `c`.
        pub depth_multiplier: usize where Positive = 1,
        /// Steps of the kernel.
        pub kernel: usize where Positive,
        /// From one window to the next.
        pub strides: usize where Positive = 1,
        /// What is added around the sequence; `"causal"`: a result does not depend on later steps.
        pub padding: Padding1d = Padding1d::Valid,
        /// Steps from one tap of the kernel to the next; Keras's `dilation_rate`.
        pub dilation: usize where Positive = 1,
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

impl LayerRules for DepthwiseConv1d {
    const USAGE: Usage = Usage {
        purpose: "Looks for patterns in every channel of a sequence alone.",
        node: "depth1",
        reads: &[("steps", DType::F32, &[20, 8])],
        attributes: || DepthwiseConv1d { padding: Padding1d::Same, ..DepthwiseConv1d::new(3) }.attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = Sequence::read(cx, Self::NAME)?;
        let &DepthwiseConv1d { depth_multiplier, kernel, .. } = self;
        let weight = cx.weight("kernel", &[kernel, x.channels, depth_multiplier], self.kernel_initializer.clone())?;
        // The same words, a filter of one channel each.
        let n_filters = x.channels.saturating_mul(depth_multiplier);
        let filters = cx.part("filters", Reshape { shape: Shape::fixed(&[1, kernel, 1, n_filters]) }, &[weight])?;
        let windows = x.windows(kernel, self.strides, self.padding, self.dilation);
        let windows = Windows { groups: x.channels, ..windows };
        let bias = self.use_bias.then_some((n_filters, &self.bias_initializer));
        let affine = Affine { bias, activation: &self.activation };
        cx.affine_then(Conv2d::of(windows), [x.images, filters], &affine, Some(joined()))
    }
}
