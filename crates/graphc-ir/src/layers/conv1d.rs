//! `conv1d`: a convolution of sequences.

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
    /// Convolution of sequences `[N,T,c]`: `activation(conv(x, kernel) + bias)`; kernel (steps, in, out).
    pub struct Conv1d as conv1d(x) {
        /// Number of output channels.
        pub filters: usize where Positive,
        /// Steps of the kernel.
        pub kernel: usize where Positive,
        /// From one window to the next.
        pub strides: usize where Positive = 1,
        /// What is added around the sequence; `"causal"`: a result does not depend on later steps.
        pub padding: Padding1d = Padding1d::Valid,
        /// Steps from one tap of the kernel to the next; Keras's `dilation_rate`.
        pub dilation: usize where Positive = 1,
        /// Groups of channels, each with its own filters; the channels and `filters` are multiples of it.
        pub groups: usize where Positive = 1,
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

impl LayerRules for Conv1d {
    const USAGE: Usage = Usage {
        purpose: "Looks for patterns of a few steps everywhere in a sequence, of a sensor or of vectors of words.",
        node: "conv1",
        reads: &[("steps", DType::F32, &[20, 8])],
        attributes: || Conv1d { padding: Padding1d::Same, ..Conv1d::new(16, 3) }.attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = Sequence::read(cx, Self::NAME)?;
        let &Conv1d { filters, kernel, groups, .. } = self;
        let c = cx.channels_of_group(x.channels, groups)?;
        let weight = cx.weight("kernel", &[kernel, c, filters], self.kernel_initializer.clone())?;
        let weight = cx.part("filters", Reshape { shape: Shape::fixed(&[1, kernel, c, filters]) }, &[weight])?;
        let windows = Windows { groups, ..x.windows(kernel, self.strides, self.padding, self.dilation) };
        let bias = self.use_bias.then_some((filters, &self.bias_initializer));
        let affine = Affine { bias, activation: &self.activation };
        cx.affine_then(Conv2d::of(windows), [x.images, weight], &affine, Some(joined()))
    }
}
