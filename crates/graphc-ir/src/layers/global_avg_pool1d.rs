//! `global_avg_pool1d`: means of whole sequences.

use super::context::LayerCx;
use super::rules::{LayerFields, LayerRules, layer_struct};
use super::sequence::sizes;
use crate::graph::builder::BuildResult;
use crate::ops::ReduceMean;
use crate::ops::facts::Usage;
use crate::types::DType;

layer_struct! {
    /// Means over the steps of sequences `[N,T,c]`: `[N,c]`.
    pub struct GlobalAvgPool1d as global_avg_pool1d(x) {
        /// Whether the steps stay, with size 1: `[N,1,c]`. Keras's `keepdims`.
        pub keep_dims: bool = false,
    }
}

impl LayerRules for GlobalAvgPool1d {
    const USAGE: Usage = Usage {
        purpose: "Between the last sequence and the last dense layer: one number a channel, whatever the length.",
        node: "pooled",
        reads: &[("steps", DType::F32, &[20, 8])],
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        sizes(cx, Self::NAME, x)?;
        cx.add(ReduceMean { axes: vec![1], keep_dims: self.keep_dims }, &[x])
    }
}
