//! `conv2d_transpose`: a transposed convolution, with sizes as Keras has them.

use super::activation::Activation;
use super::context::{Affine, LayerCx};
use super::padding::Padding;
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops::facts::{MAPS, Usage};
use crate::ops::{self, Initializer, Windows};
use crate::types::TypeError;

layer_struct! {
    /// Transposed convolution of NHWC images: `activation(conv2d_transpose(x, kernel) + bias)`; kernel (height, width,
    /// out, in). The result is `in * strides` high and wide with the padding `"same"`, else
    /// `(in - 1) * strides + kernel`, less an explicit padding.
    pub struct Conv2dTranspose as conv2d_transpose(x) {
        /// Number of output channels.
        pub filters: usize where Positive,
        /// Height and width of the kernel.
        pub kernel: [usize; 2] where Positive,
        /// Pixels of the result from one pixel of the image to the next, along height and width.
        pub strides: [usize; 2] where Positive = [1, 1],
        /// What is cut off around the result.
        pub padding: Padding = Padding::Valid,
        /// Rows and columns more at the bottom and right, fewer than `strides`. With the padding `"same"` the result is
        /// then `(in - 1) * strides + kernel % 2 + output_padding`, as in Keras.
        pub output_padding: Option<[usize; 2]> = None => "none, or up to `in * strides` if `padding` is a word",
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

impl Conv2dTranspose {
    /// What is cut off before and behind an axis of that size, and what is added: `direction` 0 is the height, 1 the
    /// width.
    fn cut(&self, direction: usize, size: usize) -> ([usize; 2], usize) {
        let stride = self.strides[direction];
        let span = Windows::span(self.kernel, self.dilation)[direction];
        let given = self.output_padding.map(|given| given[direction]);
        let covered = size.saturating_sub(1).saturating_mul(stride).saturating_add(span);
        match self.padding {
            Padding::Valid => ([0, 0], given.unwrap_or(stride.saturating_sub(span))),
            Padding::Explicit(cut) => ([cut[2 * direction], cut[2 * direction + 1]], given.unwrap_or(0)),
            Padding::Same => {
                let wanted = match given {
                    Some(given) => (covered - span).saturating_add(span % 2).saturating_add(given),
                    None => size.saturating_mul(stride),
                };
                let cut = covered.saturating_sub(wanted);
                ([cut / 2, cut - cut / 2], wanted.saturating_sub(covered))
            }
        }
    }

    /// The convolution of images of that size.
    pub(super) fn linear(&self, [h, w]: [usize; 2]) -> ops::Conv2dTranspose {
        let [([top, bottom], more_h), ([left, right], more_w)] = [self.cut(0, h), self.cut(1, w)];
        let (padding, output_padding) = ([top, bottom, left, right], [more_h, more_w]);
        ops::Conv2dTranspose { strides: self.strides, padding, output_padding, dilation: self.dilation }
    }
}

impl LayerRules for Conv2dTranspose {
    const USAGE: Usage = Usage {
        purpose: "Makes pictures larger, here to twice the height and width: decoders, generators, segmentation.",
        node: "up1",
        reads: &[MAPS],
        attributes: || {
            let (strides, padding) = ([2, 2], Padding::Same);
            Conv2dTranspose { strides, padding, ..Conv2dTranspose::new(16, [3, 3]) }.attrs()
        },
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        let [h, w, c] = cx.image_sizes(Self::NAME, x)?;
        let &Conv2dTranspose { filters, kernel: [r, s], strides, output_padding, .. } = self;
        if let Some(given) = output_padding.filter(|given| (0..2).any(|i| given[i] >= strides[i])) {
            let message = format!("output_padding {given:?} must be less than the strides {strides:?}");
            return cx.fail(TypeError::new(message));
        }
        let kernel = cx.weight("kernel", &[r, s, filters, c], self.kernel_initializer.clone())?;
        let bias = self.use_bias.then_some((filters, &self.bias_initializer));
        cx.affine(self.linear([h, w]), [x, kernel], &Affine { bias, activation: &self.activation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::builder::GraphBuilder;
    use crate::types::{DType, Shape};

    /// Height and what is cut off and added, of a column of 5 pixels.
    fn height(kernel: usize, stride: usize, padding: Padding, output_padding: Option<usize>) -> (usize, [usize; 3]) {
        let mut net = GraphBuilder::new("net");
        let x = net.input("x", DType::F32, Shape::batched(&[5, 1, 1])).unwrap();
        let output_padding = output_padding.map(|more| [more, 0]);
        let (strides, layer) = ([stride, 1], Conv2dTranspose::new(1, [kernel, 1]));
        let y = net.conv2d_transpose("up", x, &Conv2dTranspose { strides, padding, output_padding, ..layer }).unwrap();
        let crate::Op::Conv2dTranspose(op) = net.graph().op(net.graph().find("up.conv2d_transpose").unwrap()) else {
            panic!("the inner node is the op")
        };
        (net.ty(y).shape.sizes(Some(1))[1], [op.padding[0], op.padding[1], op.output_padding[0]])
    }

    /// What Keras 3 gives (`compute_conv_transpose_output_shape` and the padding of its backends).
    #[test]
    fn sizes_are_those_of_keras() {
        let (same, valid) = (Padding::Same, Padding::Valid);
        assert_eq!(height(3, 1, valid, None), (7, [0, 0, 0]));
        assert_eq!(height(3, 2, valid, None), (11, [0, 0, 0]));
        assert_eq!(height(2, 3, valid, None), (15, [0, 0, 1]));
        assert_eq!(height(2, 3, valid, Some(0)), (14, [0, 0, 0]));
        assert_eq!(height(3, 2, valid, Some(1)), (12, [0, 0, 1]));
        assert_eq!(height(3, 1, same, None), (5, [1, 1, 0]));
        assert_eq!(height(3, 2, same, None), (10, [0, 1, 0]));
        assert_eq!(height(4, 2, same, None), (10, [1, 1, 0]));
        assert_eq!(height(5, 2, same, None), (10, [1, 2, 0]));
        assert_eq!(height(2, 3, same, None), (15, [0, 0, 1]));
        assert_eq!(height(3, 2, same, Some(0)), (9, [1, 1, 0]));
        assert_eq!(height(3, 2, same, Some(1)), (10, [0, 1, 0]));
        assert_eq!(height(4, 2, same, Some(1)), (9, [1, 2, 0]));
        assert_eq!(height(4, 2, Padding::Explicit([1, 2, 0, 0]), None), (9, [1, 2, 0]));
        assert_eq!(height(4, 2, Padding::Explicit([1, 2, 0, 0]), Some(1)), (10, [1, 2, 1]));
    }
}
