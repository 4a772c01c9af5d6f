//! `group_norm`: normalisation of groups of channels (Wu and He 2018), of each sample by itself.

use super::context::LayerCx;
use super::normalized::{centred, chain, scaled, shifted};
use super::rules::{LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops::Reshape;
use crate::ops::facts::{MAPS, Usage};
use crate::types::{DType, Dim, TypeError};

layer_struct! {
    /// Group normalisation: `(x - mean) / sqrt(variance + epsilon) * gamma + beta`, mean and variance of each sample
    /// over neighbouring channels and all dimensions between batch and channels. As many groups as channels are
    /// instance normalisation, one group is layer normalisation with statistics of the whole sample.
    pub struct GroupNorm as group_norm(x) {
        /// Into how many groups the channels are dealt, in order; the channels are a multiple of it.
        pub groups: usize where Positive = 32,
        /// Added to the variance.
        pub epsilon: f64 where Positive = 0.001,
        /// Whether a beta is added.
        pub center: bool = true,
        /// Whether there is a factor gamma.
        pub scale: bool = true,
    }
}

impl LayerRules for GroupNorm {
    const USAGE: Usage = Usage {
        purpose: "Behind a convolution where batches are too small for `batch_norm`.",
        node: "norm1",
        reads: &[MAPS],
        attributes: || GroupNorm { groups: 3, ..GroupNorm::default() }.attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        let ty = cx.ty(x);
        let rank = ty.rank();
        if rank < 2 || ty.shape.batch_axis() != Some(0) || ty.dtype != DType::F32 {
            let message = format!("group_norm expects f32 numbers of shape [N,…,c], got {ty}");
            return cx.fail(TypeError::operand(0, message));
        }
        let (groups, c) = (self.groups, cx.fixed_dim(&ty, rank - 1, "the channel dimension")?);
        if !c.is_multiple_of(groups) {
            let message = format!("{c} channels cannot be dealt to {groups} groups");
            return cx.fail(TypeError::operand(0, message));
        }
        let mut grouped = ty.shape.clone();
        grouped.0.splice(rank - 1.., [groups, c / groups].map(Dim::Fixed));
        let axes: Vec<usize> = (1..rank - 1).chain([rank]).collect();
        let grouped = cx.part("grouped", Reshape { shape: grouped }, &[x])?;
        let (deviation, normalized) = centred(cx, grouped, &axes, self.epsilon)?;
        let mut steps = vec![normalized, ("joined", Reshape { shape: ty.shape.clone() }.into(), None)];
        if self.scale {
            steps.push(scaled(cx, "gamma", &ty.shape, &[rank - 1])?);
        }
        if self.center {
            steps.push(shifted(cx, "beta", &ty.shape, &[rank - 1])?);
        }
        chain(cx, deviation, steps)
    }
}
