//! `dot`: products of the vectors of two tensors, sample by sample.

use super::context::LayerCx;
use super::rules::{LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops::facts::{FEATURES, OTHER, Usage};
use crate::ops::{Einsum, Reshape, UnitNormalization};
use crate::types::{Dim, Shape, TypeError};

layer_struct! {
    /// Products of two tensors, sample by sample, summed along a dimension of each, as Keras's `Dot`: the result has
    /// the other dimensions of the first and then those of the second, of two vectors `[N,features]` it is `[N,1]`.
    pub struct Dot as dot(x, y) {
        /// The dimension that is summed of each, counted from 0, the batch.
        pub axes: [usize; 2] where Positive = [1, 1],
        /// Whether vectors along it are brought to length 1 before: the result is their cosine.
        pub normalize: bool = false,
    }
}

impl LayerRules for Dot {
    const USAGE: Usage = Usage {
        purpose: "Compares what two branches make of their inputs, such as a user and an article.",
        node: "score",
        reads: &[FEATURES, OTHER],
        attributes: || Dot { normalize: true, ..Dot::default() }.attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let (mut operands, mut letters, mut result) = (cx.inputs.to_vec(), Vec::new(), vec!['n']);
        for (slot, &axis) in self.axes.iter().enumerate() {
            let ty = cx.ty(operands[slot]);
            if ty.shape.batch_axis() != Some(0) || axis >= ty.rank() {
                let message = format!("dot expects [N,…] with a dimension {axis}, got {ty}");
                return cx.fail(TypeError::operand(slot, message));
            }
            if self.normalize {
                let direction = UnitNormalization { axis: Some(axis), epsilon: 1e-12 };
                operands[slot] = cx.part(["x_direction", "y_direction"][slot], direction, &operands[slot..=slot])?;
            }
            // Every dimension but the batch and the one that is summed has a letter of its own.
            let first = [b'A', b'a'][slot];
            let own = |other: usize| if other == axis { 's' } else { (first + other as u8) as char };
            letters.push(["n".to_string(), (1..ty.rank()).map(own).collect()].concat());
            result.extend((1..ty.rank()).map(own).filter(|&letter| letter != 's'));
        }
        let equation = format!("{}->{}", letters.join(","), result.iter().collect::<String>());
        if result.len() > 1 {
            return cx.add(Einsum { equation }, &operands);
        }
        let sums = cx.part("sums", Einsum { equation }, &operands)?;
        cx.add(Reshape { shape: Shape(vec![Dim::Batch, Dim::Fixed(1)]) }, &[sums])
    }
}
