//! `batch_norm`: batch normalisation with its scale, offset and moving statistics.

use super::context::LayerCx;
use super::rules::{LayerRules, layer_struct};
use crate::graph::builder::BuildResult;
use crate::ops::facts::{MAPS, Usage};
use crate::ops::{self, Initializer};
use crate::types::TypeError;

layer_struct! {
    /// Batch normalisation over every dimension but the last: batch statistics in training, moving averages in
    /// inference. With `"trainable": false` it is the same in training as in inference, as in Keras: by the moving
    /// averages, which stay as they are.
    pub struct BatchNorm as batch_norm(x) {
        /// Share of the old moving average that is kept.
        pub momentum: f64 where Fraction = 0.99,
        /// Added to the variance.
        pub epsilon: f64 where Positive = 0.001,
    }
}

impl LayerRules for BatchNorm {
    const USAGE: Usage = Usage {
        purpose: "Behind a convolution or dense layer, in front of its activation: faster training, higher learning rates.",
        node: "bn1",
        reads: &[MAPS],
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        let ty = cx.ty(x);
        if ty.rank() < 2 {
            let message = format!("batch_norm expects shape [N,…,c], got {}", ty.shape);
            return cx.fail(TypeError::operand(0, message));
        }
        let c = [cx.fixed_dim(&ty, ty.rank() - 1, "the channel dimension")?];
        let [zeros, ones] = [0.0, 1.0].map(Initializer::Constant);
        let [gamma, beta] = [cx.weight("gamma", &c, ones.clone())?, cx.weight("beta", &c, zeros.clone())?];
        let [mean, variance] = [cx.statistic("moving_mean", &c, zeros)?, cx.statistic("moving_variance", &c, ones)?];
        let &BatchNorm { momentum, epsilon } = self;
        if !cx.trainable() {
            return cx.add(ops::Normalize { epsilon }, &[x, mean, variance, gamma, beta]);
        }
        cx.add(ops::BatchNorm { momentum, epsilon }, &[x, gamma, beta, mean, variance])
    }
}
