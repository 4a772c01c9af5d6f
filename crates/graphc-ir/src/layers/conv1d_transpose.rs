//! `conv1d_transpose`: a transposed convolution of sequences, with sizes as Keras has them.

use super::activation::Activation;
use super::context::{Affine, LayerCx};
use super::conv2d_transpose::Conv2dTranspose;
use super::padding::{Padding, Padding1d};
use super::rules::{LayerFields, LayerRules, layer_struct};
use super::sequence::{Sequence, joined};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops::facts::Usage;
use crate::ops::{Initializer, Reshape};
use crate::types::{DType, Shape, TypeError};

layer_struct! {
    /// Transposed convolution of sequences `[N,T,c]`: `activation(conv_transpose(x, kernel) + bias)`; kernel (steps,
    /// out, in). The result has `T * strides` steps with the padding `"same"`, else `(T - 1) * strides + kernel`.
    pub struct Conv1dTranspose as conv1d_transpose(x) {
        /// Number of output channels.
        pub filters: usize where Positive,
        /// Steps of the kernel.
        pub kernel: usize where Positive,
        /// Steps of the result from one step of the sequence to the next.
        pub strides: usize where Positive = 1,
        /// What is cut off around the result; not `"causal"`.
        pub padding: Padding1d = Padding1d::Valid,
        /// Steps more at the end, fewer than `strides`. With the padding `"same"` the result then has
        /// `(T - 1) * strides + kernel % 2 + output_padding` steps, as in Keras.
        pub output_padding: Option<usize> = None => "none, or up to `T * strides`",
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

impl LayerRules for Conv1dTranspose {
    const USAGE: Usage = Usage {
        purpose: "Makes sequences longer, here twice: decoders of sequences.",
        node: "up1",
        reads: &[("steps", DType::F32, &[20, 8])],
        attributes: || {
            let (strides, padding) = (2, Padding1d::Same);
            Conv1dTranspose { strides, padding, ..Conv1dTranspose::new(16, 3) }.attrs()
        },
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = Sequence::read(cx, Self::NAME)?;
        let &Conv1dTranspose { filters, kernel, strides, dilation, output_padding, .. } = self;
        let padding = match self.padding {
            Padding1d::Valid => Padding::Valid,
            Padding1d::Same => Padding::Same,
            Padding1d::Causal => {
                let message = "conv1d_transpose expects the padding \"valid\" or \"same\", got \"causal\"";
                return cx.fail(TypeError::new(message));
            }
        };
        if let Some(given) = output_padding.filter(|&given| given >= strides) {
            let message = format!("output_padding {given} must be less than the strides {strides}");
            return cx.fail(TypeError::new(message));
        }
        let images = Conv2dTranspose {
            strides: [1, strides],
            padding,
            output_padding: output_padding.map(|more| [0, more]),
            dilation: [1, dilation],
            ..Conv2dTranspose::new(filters, [1, kernel])
        };
        let weight = cx.weight("kernel", &[kernel, filters, x.channels], self.kernel_initializer.clone())?;
        let view = Reshape { shape: Shape::fixed(&[1, kernel, filters, x.channels]) };
        let weight = cx.part("filters", view, &[weight])?;
        let bias = self.use_bias.then_some((filters, &self.bias_initializer));
        let affine = Affine { bias, activation: &self.activation };
        cx.affine_then(images.linear([1, x.steps]), [x.images, weight], &affine, Some(joined()))
    }
}
