//! `up_sampling1d`: longer sequences of the same steps.

use super::context::LayerCx;
use super::rules::{LayerFields, LayerRules, layer_struct};
use super::sequence::sizes;
use crate::graph::builder::BuildResult;
use crate::ops::Repeat;
use crate::ops::facts::Usage;
use crate::types::DType;

layer_struct! {
    /// Sequences `[N,T,c]` with every step several times: `y[t] = x[t / size]`.
    pub struct UpSampling1d as up_sampling1d(x) {
        /// How often.
        pub size: usize where Positive = 2,
    }
}

impl LayerRules for UpSampling1d {
    const USAGE: Usage = Usage {
        purpose: "Makes sequences longer without parameters, in front of a convolution.",
        node: "up1",
        reads: &[("steps", DType::F32, &[20, 8])],
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        sizes(cx, Self::NAME, x)?;
        cx.add(Repeat { axis: 1, repeats: self.size }, &[x])
    }
}
