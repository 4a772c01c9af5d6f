//! `multi_head_attention`: attention with projections of queries, keys, values and of what comes out.

use super::context::LayerCx;
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::NodeId;
use crate::graph::builder::{BuildError, BuildResult};
use crate::ops::facts::Usage;
use crate::ops::{self, Add, AttentionWeights, Einsum, Initializer, MatMul, Op, Reshape, RotaryEmbedding};
use crate::types::{DType, Dim, Shape, TypeError};

layer_struct! {
    /// Attention with several heads (Vaswani and others 2017), as Keras's: queries, keys and values are projected for
    /// each head, `softmax(query * key^T / sqrt(key_dim)) * value`, and all heads projected to the features of the
    /// query. Sequences are `[N,places,features]`; keys and values are the queries if nothing else is given, keys the
    /// values if only these are. A mask of 1 and 0, `[N,places]` of the keys or `[N,places,places]` of queries and
    /// keys, says what may be seen. Kernels of query, key and value are (features, heads, key_dim), that of the output
    /// (heads, value_dim, features).
    pub struct MultiHeadAttention as multi_head_attention(query; value, key, mask) {
        /// Number of heads.
        pub num_heads: usize where Positive,
        /// Size of each head's queries and keys.
        pub key_dim: usize where Positive,
        /// Size of each head's values.
        pub value_dim: Option<usize> where Positive = None => "`key_dim`",
        /// Whether a place sees those up to itself alone. Keras's `use_causal_mask`.
        pub causal: bool = false,
        /// Share of the weights that are zeroed in training.
        pub dropout: f64 where Fraction = 0.0,
        /// Whether queries and keys are turned by their places, as `rotary_embedding` does.
        pub rotary: bool = false,
        /// Whether biases are added.
        pub use_bias: bool = true,
        /// What the kernels begin with.
        pub kernel_initializer: Initializer = Initializer::KERNEL,
        /// What the biases begin with.
        pub bias_initializer: Initializer = Initializer::ZEROS,
        /// Seed of the dropout.
        pub seed: Option<i64> where NotNegative = None => "the node's position in the file, counted from 0",
    }
}

impl MultiHeadAttention {
    /// Features of a sequence.
    fn features(&self, cx: &LayerCx<'_>, slot: usize) -> Result<usize, BuildError> {
        let ty = cx.ty(cx.inputs[slot]);
        match ty.shape.0.as_slice() {
            &[_, Dim::Fixed(_), Dim::Fixed(features)] if ty.dtype == DType::F32 => Ok(features),
            _ => {
                let message = format!("{} expects f32 sequences of shape [N,places,features], got {ty}", Self::NAME);
                cx.fail(TypeError::operand(slot, message))
            }
        }
    }

    /// The product with a kernel of these sizes, and its bias: the part `part`, which is the layer's result if it is
    /// the output.
    fn project(
        &self,
        cx: &mut LayerCx<'_>,
        (part, equation): (&str, &str),
        x: NodeId,
        (kernel, bias): (&[usize], &[usize]),
    ) -> BuildResult {
        let weights = cx.weight(&format!("{part}.kernel"), kernel, self.kernel_initializer.clone())?;
        let product = Op::from(Einsum { equation: equation.into() });
        let is_output = part == OUTPUT;
        let finish = |cx: &mut LayerCx<'_>, op: Op, operands: &[NodeId]| match is_output {
            true => cx.add(op, operands),
            false => cx.part(part, op, operands),
        };
        if !self.use_bias {
            return finish(cx, product, &[x, weights]);
        }
        let product = cx.part(&format!("{part}.einsum"), product, &[x, weights])?;
        let mut shift = cx.weight(&format!("{part}.bias"), bias, self.bias_initializer.clone())?;
        if let &[heads, size] = bias {
            let shape = Shape::fixed(&[heads, 1, size]);
            shift = cx.part(&format!("{part}.bias_view"), Reshape { shape }, &[shift])?;
        }
        finish(cx, Add {}.into(), &[product, shift])
    }

    /// The mask, in a form that broadcasts to [N,heads,places,places].
    fn mask(&self, cx: &mut LayerCx<'_>, mask: NodeId) -> BuildResult {
        let ty = cx.ty(mask);
        let shape = match *ty.shape.0.as_slice() {
            [n, keys] => Shape(vec![n, Dim::Fixed(1), Dim::Fixed(1), keys]),
            [n, queries, keys] => Shape(vec![n, Dim::Fixed(1), queries, keys]),
            _ => {
                let expected = "a mask of shape [N,places] or [N,places,places]";
                return cx.fail(TypeError::operand(3, format!("{} expects {expected}, got {ty}", Self::NAME)));
            }
        };
        cx.part("mask_view", Reshape { shape }, &[mask])
    }
}

/// What the projection of the heads is called.
const OUTPUT: &str = "output";

impl LayerRules for MultiHeadAttention {
    const USAGE: Usage = Usage {
        purpose: "The heart of a transformer: each place takes from others what is like what it looks for.",
        node: "attention",
        reads: &[("tokens", DType::F32, &[49, 64])],
        attributes: || MultiHeadAttention::new(4, 16).attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let query = cx.inputs[0];
        let values = cx.inputs.get(1).copied().unwrap_or(query);
        let keys = cx.inputs.get(2).copied().unwrap_or(values);
        let last = cx.inputs.len() - 1;
        let features = self.features(cx, 0)?;
        let [of_keys, of_values] = [self.features(cx, last.min(2))?, self.features(cx, last.min(1))?];
        let (heads, size) = (self.num_heads, self.key_dim);
        let value_size = self.value_dim.unwrap_or(size);
        const HEADS: &str = "ntd,dhk->nhtk";
        let mut query = self.project(cx, ("query", HEADS), query, (&[features, heads, size], &[heads, size]))?;
        let mut keys = self.project(cx, ("key", HEADS), keys, (&[of_keys, heads, size], &[heads, size]))?;
        let of_heads = (&[of_values, heads, value_size][..], &[heads, value_size][..]);
        let values = self.project(cx, ("value", HEADS), values, of_heads)?;
        if self.rotary {
            let turned = RotaryEmbedding { max_wavelength: 10000.0, axis: None };
            query = cx.part("query_turned", turned.clone(), &[query])?;
            keys = cx.part("key_turned", turned, &[keys])?;
        }
        let mut operands = vec![query, keys];
        if let Some(&mask) = cx.inputs.get(3) {
            operands.push(self.mask(cx, mask)?);
        }
        let scores = AttentionWeights { causal: self.causal, scale: None, added_mask: false };
        let mut weights = cx.part("weights", scores, &operands)?;
        if self.dropout > 0.0 {
            let (step, seed) = (cx.step()?, self.seed.unwrap_or(cx.default_seed()));
            weights = cx.part("dropout", ops::Dropout { rate: self.dropout, seed }, &[weights, step])?;
        }
        let taken = cx.part("heads", MatMul { transpose_a: false, transpose_b: false }, &[weights, values])?;
        let merged = (&[heads, value_size, features][..], &[features][..]);
        self.project(cx, (OUTPUT, "nhtk,hkd->ntd"), taken, merged)
    }
}
