//! `position_embedding`: a learnt vector for each place of a sequence.

use super::context::LayerCx;
use super::rules::{LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::{BuildError, BuildResult};
use crate::ops::facts::Usage;
use crate::ops::{Add, Initializer};
use crate::types::{DType, Dim, TypeError};

layer_struct! {
    /// Adds a learnt vector to each place of a sequence, the same in every sample: `x + embeddings`, a table
    /// (places, features).
    pub struct PositionEmbedding as position_embedding(x) {
        /// What the table begins with.
        pub embeddings_initializer: Initializer = Initializer::KERNEL,
    }
}

/// Places and features of a sequence that a layer reads.
pub(super) fn sequence_sizes(cx: &LayerCx<'_>, layer: &str) -> Result<[usize; 2], BuildError> {
    let ty = cx.ty(cx.inputs[0]);
    match ty.shape.0.as_slice() {
        &[.., Dim::Fixed(places), Dim::Fixed(features)] if ty.dtype == DType::F32 => Ok([places, features]),
        _ => {
            let message = format!("{layer} expects f32 sequences of shape [N,…,places,features], got {ty}");
            cx.fail(TypeError::operand(0, message))
        }
    }
}

impl LayerRules for PositionEmbedding {
    const USAGE: Usage = Usage {
        purpose: "In front of attention, which by itself does not know where in the sequence something stands.",
        node: "placed",
        reads: &[("tokens", DType::F32, &[49, 64])],
        attributes: || PositionEmbedding::default().attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let sizes = sequence_sizes(cx, "position_embedding")?;
        let table = cx.weight("embeddings", &sizes, self.embeddings_initializer.clone())?;
        cx.add(Add {}, &[cx.inputs[0], table])
    }
}
