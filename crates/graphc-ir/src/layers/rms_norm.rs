//! `rms_norm`: each sample divided by its root mean square (Zhang and Sennrich 2019).

use super::context::LayerCx;
use super::normalized::{axes_of, chain, inverse_root, scaled};
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::graph::builder::BuildResult;
use crate::ops::facts::{FEATURES, Usage};
use crate::ops::{Mul, ReduceMean, Square};

layer_struct! {
    /// `x / sqrt(mean(x * x) + epsilon) * scale`, the mean over `axes`, of each sample by itself; Keras's
    /// `RMSNormalization`.
    pub struct RmsNorm as rms_norm(x) {
        /// The dimensions that are taken together, counted from 0, the batch; the parameter `scale` has their sizes.
        /// Keras's `axis`.
        pub axes: Option<Vec<usize>> = None => "the last one",
        /// Added to the mean of the squares.
        pub epsilon: f64 where Positive = 0.000001,
    }
}

impl LayerRules for RmsNorm {
    const USAGE: Usage = Usage {
        purpose: "In place of `layer_norm`: half the statistics, often as good.",
        node: "norm1",
        reads: &[FEATURES],
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        let axes = axes_of(cx, Self::NAME, x, self.axes.as_deref())?;
        let square = cx.part("square", Square {}, &[x])?;
        let mean_square = cx.part("mean_square", ReduceMean { axes: axes.clone(), keep_dims: true }, &[square])?;
        let factor = inverse_root(cx, mean_square, self.epsilon)?;
        let shape = cx.ty(x).shape;
        let steps = vec![("normalized", Mul {}.into(), Some(factor)), scaled(cx, "scale", &shape, &axes)?];
        chain(cx, x, steps)
    }
}
