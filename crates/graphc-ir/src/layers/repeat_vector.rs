//! `repeat_vector`: a vector as each place of a sequence.

use super::context::LayerCx;
use super::rules::{LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops::facts::{FEATURES, Usage};
use crate::ops::{Broadcast, Reshape};
use crate::types::{Dim, Shape, TypeError};

layer_struct! {
    /// Repeats vectors `n` times: `[N,features]` becomes `[N,n,features]`.
    pub struct RepeatVector as repeat_vector(x) {
        /// How often.
        pub n: usize where Positive,
    }
}

impl LayerRules for RepeatVector {
    const USAGE: Usage = Usage {
        purpose: "Gives what a net has read to every place of the sequence that it writes.",
        node: "repeated",
        reads: &[FEATURES],
        attributes: || RepeatVector::new(10).attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let ty = cx.ty(cx.inputs[0]);
        let &[n, features] = ty.shape.0.as_slice() else {
            return cx.fail(TypeError::operand(0, format!("repeat_vector expects shape [N,features], got {ty}")));
        };
        let place = Shape(vec![n, Dim::Fixed(1), features]);
        let one = cx.part("place", Reshape { shape: place }, cx.inputs)?;
        cx.add(Broadcast { shape: Shape(vec![n, Dim::Fixed(self.n), features]) }, &[one])
    }
}
