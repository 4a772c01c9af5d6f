//! `flatten`: all dimensions but the batch in one.

use super::context::LayerCx;
use super::rules::{LayerRules, layer_struct};
use crate::graph::builder::BuildResult;
use crate::ops::Reshape;
use crate::ops::facts::{MAPS, Usage};
use crate::types::{Shape, TypeError};

layer_struct! {
    /// All dimensions but the batch in one, in NHWC order.
    pub struct Flatten as flatten(x) {}
}

impl LayerRules for Flatten {
    const USAGE: Usage = Usage {
        purpose: "Between the last picture and the first dense layer.",
        node: "flat",
        reads: &[MAPS],
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        let shape = cx.ty(x).shape;
        if shape.batch_axis() != Some(0) {
            return cx.fail(TypeError::operand(0, format!("flatten expects shape [N,…], got {shape}")));
        }
        cx.add(Reshape { shape: Shape::batched(&[shape.fixed_len()]) }, &[x])
    }
}
