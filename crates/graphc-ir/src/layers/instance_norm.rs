//! `instance_norm`: normalisation of each channel of each sample (Ulyanov and others 2016).

use super::context::LayerCx;
use super::normalized::{centred, chain, scaled, shifted};
use super::rules::{LayerRules, layer_struct};
use crate::graph::builder::BuildResult;
use crate::ops::facts::{MAPS, Usage};
use crate::types::{DType, TypeError};

layer_struct! {
    /// Instance normalisation: `(x - mean) / sqrt(variance + epsilon) * gamma + beta`, mean and variance of each channel
    /// of each sample over all dimensions between batch and channels, in training and in inference alike.
    pub struct InstanceNorm as instance_norm(x) {
        /// Added to the variance.
        pub epsilon: f64 where Positive = 0.001,
        /// Whether a beta is added.
        pub center: bool = true,
        /// Whether there is a factor gamma.
        pub scale: bool = true,
    }
}

impl LayerRules for InstanceNorm {
    const USAGE: Usage = Usage {
        purpose: "Takes brightness and contrast of each picture out of what is computed: style transfer, generators.",
        node: "norm1",
        reads: &[MAPS],
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        let ty = cx.ty(x);
        let rank = ty.rank();
        if rank < 3 || ty.shape.batch_axis() != Some(0) || ty.dtype != DType::F32 {
            let message = format!("instance_norm expects f32 numbers of shape [N,…,c], at least one between, got {ty}");
            return cx.fail(TypeError::operand(0, message));
        }
        let axes: Vec<usize> = (1..rank - 1).collect();
        let (deviation, normalized) = centred(cx, x, &axes, self.epsilon)?;
        let mut steps = vec![normalized];
        if self.scale {
            steps.push(scaled(cx, "gamma", &ty.shape, &[rank - 1])?);
        }
        if self.center {
            steps.push(shifted(cx, "beta", &ty.shape, &[rank - 1])?);
        }
        chain(cx, deviation, steps)
    }
}
