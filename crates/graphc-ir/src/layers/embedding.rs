//! `embedding`: a learnt vector for each number of a vocabulary.

use super::context::LayerCx;
use super::rules::{LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::initializers::RandomUniform;
use crate::ops::facts::Usage;
use crate::ops::{Gather, Initializer};
use crate::types::{DType, TypeError};

layer_struct! {
    /// Learnt vectors of numbers: row `x` of a table (input_dim, output_dim). What is not below `input_dim` gives NaN.
    pub struct Embedding as embedding(x) {
        /// How many numbers there are, counted from 0: the size of the vocabulary.
        pub input_dim: usize where Positive,
        /// Size of each vector.
        pub output_dim: usize where Positive,
        /// What the table begins with.
        pub embeddings_initializer: Initializer = Initializer::from(RandomUniform::default()),
    }
}

impl LayerRules for Embedding {
    const USAGE: Usage = Usage {
        purpose: "Makes vectors of words, places or persons that are given as numbers.",
        node: "vectors",
        reads: &[("words", DType::I32, &[20])],
        attributes: || Embedding::new(5000, 64).attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let ty = cx.ty(cx.inputs[0]);
        if ty.dtype != DType::I32 {
            return cx.fail(TypeError::operand(0, format!("embedding expects i32 numbers, got {ty}")));
        }
        let table = cx.weight("embeddings", &[self.input_dim, self.output_dim], self.embeddings_initializer.clone())?;
        cx.add(Gather { axis: 0, zero_outside: false }, &[table, cx.inputs[0]])
    }
}
