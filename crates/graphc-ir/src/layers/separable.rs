//! What separable convolutions share: one of each channel by itself, then one that mixes the channels.

use super::context::{Affine, LayerCx};
use crate::graph::NodeId;
use crate::graph::builder::BuildResult;
use crate::ops::{Conv2d, Initializer, Op, Reshape, Windows};
use crate::types::Shape;

/// A separable convolution of images, which may be sequences one row high.
pub(super) struct Separable<'a> {
    pub(super) images: NodeId,
    /// Of the depthwise convolution.
    pub(super) windows: Windows,
    /// Height and width of the depthwise kernel, or its steps.
    pub(super) kernel: &'a [usize],
    /// Channels, depthwise filters for each, and channels of the result.
    pub(super) channels: [usize; 3],
    /// Of the depthwise and the pointwise kernel.
    pub(super) initializers: [&'a Initializer; 2],
}

impl Separable<'_> {
    /// Its weights, whose kernels are as long as images have dimensions for them, and nodes.
    pub(super) fn build(&self, cx: &mut LayerCx<'_>, affine: &Affine<'_>, last: Option<Op>) -> BuildResult {
        let [c, multiplier, filters] = self.channels;
        let n_filters = c.saturating_mul(multiplier);
        let [depthwise, pointwise] = self.initializers.map(Initializer::clone);
        let depthwise = cx.weight("depthwise_kernel", &[self.kernel, &[c, multiplier]].concat(), depthwise)?;
        let ones = vec![1; self.kernel.len()];
        let pointwise = cx.weight("pointwise_kernel", &[&ones[..], &[n_filters, filters]].concat(), pointwise)?;
        let [r, s] = if let [r, s] = *self.kernel { [r, s] } else { [1, self.kernel[0]] };
        // The same words, a filter of one channel each.
        let shape = |sizes: [usize; 4]| Reshape { shape: Shape::fixed(&sizes) };
        let depthwise = cx.part("depthwise_filters", shape([r, s, 1, n_filters]), &[depthwise])?;
        let patterns = cx.part("depthwise", Conv2d::of(self.windows), &[self.images, depthwise])?;
        let pointwise = match self.kernel.len() {
            2 => pointwise,
            _ => cx.part("pointwise_filters", shape([1, 1, n_filters, filters]), &[pointwise])?,
        };
        let mixing = Conv2d::of(Windows::new([1, 1], [0; 4]));
        cx.affine_then(mixing, [patterns, pointwise], affine, last)
    }
}
