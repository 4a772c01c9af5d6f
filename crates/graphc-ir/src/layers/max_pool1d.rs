//! `max_pool1d`: maxima of windows of sequences.

use super::context::LayerCx;
use super::padding::Padding1d;
use super::rules::{LayerFields, LayerRules, layer_struct};
use super::sequence::pooled;
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops::facts::Usage;
use crate::ops::MaxPool2d;
use crate::types::DType;

layer_struct! {
    /// Maxima of windows of sequences `[N,T,c]`.
    pub struct MaxPool1d as max_pool1d(x) {
        /// Steps of a window.
        pub pool: usize where Positive = 2,
        /// From one window to the next.
        pub strides: Option<usize> where Positive = None => "`pool`",
        /// What is added around the sequence.
        pub padding: Padding1d = Padding1d::Valid,
    }
}

impl LayerRules for MaxPool1d {
    const USAGE: Usage = Usage {
        purpose: "Makes sequences shorter and keeps the strongest value of every window.",
        node: "pool1",
        reads: &[("steps", DType::F32, &[20, 8])],
        attributes: || MaxPool1d { pool: 2, ..MaxPool1d::default() }.attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let sizes = [self.pool, self.strides.unwrap_or(self.pool)];
        pooled(cx, Self::NAME, sizes, self.padding, |pool, windows| {
            MaxPool2d { pool, strides: windows.strides, padding: windows.padding }.into()
        })
    }
}
