//! `layer_norm`: layer normalisation (Ba and others 2016), statistics of each sample by itself.

use super::context::LayerCx;
use super::normalized::{axes_of, centred, chain, scaled, shifted};
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::graph::builder::BuildResult;
use crate::ops::facts::{FEATURES, Usage};

layer_struct! {
    /// Layer normalisation: `(x - mean) / sqrt(variance + epsilon) * gamma + beta`, mean and variance over `axes`, of
    /// each sample by itself, in training and in inference alike.
    pub struct LayerNorm as layer_norm(x) {
        /// The dimensions that are taken together, counted from 0, the batch; gamma and beta have their sizes. Keras's
        /// `axis`.
        pub axes: Option<Vec<usize>> = None => "the last one",
        /// Added to the variance.
        pub epsilon: f64 where Positive = 0.001,
        /// Whether a beta is added.
        pub center: bool = true,
        /// Whether there is a factor gamma.
        pub scale: bool = true,
    }
}

impl LayerRules for LayerNorm {
    const USAGE: Usage = Usage {
        purpose: "Around attention and dense layers: as `batch_norm`, but a sample does not depend on the others.",
        node: "norm1",
        reads: &[FEATURES],
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        let axes = axes_of(cx, Self::NAME, x, self.axes.as_deref())?;
        let (deviation, normalized) = centred(cx, x, &axes, self.epsilon)?;
        let (mut steps, shape) = (vec![normalized], cx.ty(x).shape);
        if self.scale {
            steps.push(scaled(cx, "gamma", &shape, &axes)?);
        }
        if self.center {
            steps.push(shifted(cx, "beta", &shape, &axes)?);
        }
        chain(cx, deviation, steps)
    }
}
