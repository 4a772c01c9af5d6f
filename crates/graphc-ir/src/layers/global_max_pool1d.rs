//! `global_max_pool1d`: maxima of whole sequences.

use super::context::LayerCx;
use super::rules::{LayerFields, LayerRules, layer_struct};
use super::sequence::sizes;
use crate::graph::builder::BuildResult;
use crate::ops::ReduceMax;
use crate::ops::facts::Usage;
use crate::types::DType;

layer_struct! {
    /// Maxima over the steps of sequences `[N,T,c]`: `[N,c]`.
    pub struct GlobalMaxPool1d as global_max_pool1d(x) {
        /// Whether the steps stay, with size 1: `[N,1,c]`. Keras's `keepdims`.
        pub keep_dims: bool = false,
    }
}

impl LayerRules for GlobalMaxPool1d {
    const USAGE: Usage = Usage {
        purpose: "As `global_avg_pool1d`: whether a channel finds something anywhere in the sequence.",
        node: "pooled",
        reads: &[("steps", DType::F32, &[20, 8])],
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        sizes(cx, Self::NAME, x)?;
        cx.add(ReduceMax { axes: vec![1], keep_dims: self.keep_dims }, &[x])
    }
}
