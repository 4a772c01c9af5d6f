//! `separable_conv1d`: a convolution of each channel of sequences by itself, then one that mixes the channels.

use super::activation::Activation;
use super::context::{Affine, LayerCx};
use super::padding::Padding1d;
use super::rules::{LayerFields, LayerRules, layer_struct};
use super::separable::Separable;
use super::sequence::{Sequence, joined};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops::facts::Usage;
use crate::ops::{Initializer, Windows};
use crate::types::DType;

layer_struct! {
    /// Convolution of each channel of sequences `[N,T,c]` by itself, then one with a kernel of 1 that mixes the
    /// channels: `activation(conv(conv(x, depthwise_kernel), pointwise_kernel) + bias)`; depthwise kernel (steps,
    /// channels, multiplier), pointwise kernel (1, channels * multiplier, out).
    pub struct SeparableConv1d as separable_conv1d(x) {
        /// Number of output channels.
        pub filters: usize where Positive,
        /// Steps of the depthwise kernel.
        pub kernel: usize where Positive,
        /// From one window to the next.
        pub strides: usize where Positive = 1,
        /// What is added around the sequence; `"causal"`: a result does not depend on later steps.
        pub padding: Padding1d = Padding1d::Valid,
        /// Steps from one tap of the depthwise kernel to the next; Keras's `dilation_rate`.
        pub dilation: usize where Positive = 1,
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

impl LayerRules for SeparableConv1d {
    const USAGE: Usage = Usage {
        purpose: "A `conv1d` with fewer multiplications: patterns in each channel, then sums over channels.",
        node: "conv1",
        reads: &[("steps", DType::F32, &[20, 8])],
        attributes: || SeparableConv1d { padding: Padding1d::Same, ..SeparableConv1d::new(16, 3) }.attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = Sequence::read(cx, Self::NAME)?;
        let windows = x.windows(self.kernel, self.strides, self.padding, self.dilation);
        let separable = Separable {
            images: x.images,
            windows: Windows { groups: x.channels, ..windows },
            kernel: &[self.kernel],
            channels: [x.channels, self.depth_multiplier, self.filters],
            initializers: [&self.depthwise_initializer, &self.pointwise_initializer],
        };
        let bias = self.use_bias.then_some((self.filters, &self.bias_initializer));
        separable.build(cx, &Affine { bias, activation: &self.activation }, Some(joined()))
    }
}
