//! `conv2d`: a convolution.

use super::activation::Activation;
use super::context::{Affine, LayerCx};
use super::padding::Padding;
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops::facts::Usage;
use crate::ops::{self, Algorithm, Initializer, Windows};
use crate::types::DType;

layer_struct! {
    /// Convolution of NHWC images: `activation(conv2d(x, kernel) + bias)`; kernel HWIO.
    pub struct Conv2d as conv2d(x) {
        /// Number of output channels.
        pub filters: usize where Positive,
        /// Height and width of the kernel.
        pub kernel: [usize; 2] where Positive,
        /// Steps along height and width.
        pub strides: [usize; 2] where Positive = [1, 1],
        /// What is added around the image.
        pub padding: Padding = Padding::Valid,
        /// Pixels from one tap of the kernel to the next; Keras's `dilation_rate`.
        pub dilation: [usize; 2] where Positive = [1, 1],
        /// Groups of channels, each with its own filters; the channels and `filters` are multiples of it.
        pub groups: usize where Positive = 1,
        /// How it is computed: `winograd` takes fewer multiplications, and rounds otherwise.
        pub algorithm: Option<Algorithm> = None => "that of the network",
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

impl LayerRules for Conv2d {
    const USAGE: Usage = Usage {
        purpose: "Layer of pictures: every filter looks for one small pattern everywhere.",
        node: "conv1",
        reads: &[("image", DType::F32, &[28, 28, 1])],
        attributes: || Conv2d { padding: Padding::Same, ..Conv2d::new(16, [3, 3]) }.attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        let [h, w, c] = cx.image_sizes(Self::NAME, x)?;
        let &Conv2d { filters, kernel: [r, s], strides, dilation, groups, .. } = self;
        let of_group = cx.channels_of_group(c, groups)?;
        let kernel = cx.weight("kernel", &[r, s, of_group, filters], self.kernel_initializer.clone())?;
        let padding = self.padding.resolve([h, w], Windows::span([r, s], dilation), strides);
        let windows = Windows { dilation, groups, ..Windows::new(strides, padding) };
        let windows = Windows { algorithm: cx.algorithm(self.algorithm, &windows, &[r, s, c, filters]), ..windows };
        let bias = self.use_bias.then_some((filters, &self.bias_initializer));
        cx.affine(ops::Conv2d::of(windows), [x, kernel], &Affine { bias, activation: &self.activation })
    }
}
