//! `prelu`: a rectified linear unit whose slope below 0 is learnt (He and others 2015).

use super::context::LayerCx;
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops::facts::{MAPS, Usage};
use crate::ops::{IfPositive, Initializer, Mul};
use crate::types::{DType, TypeError};

layer_struct! {
    /// `x` above 0, `alpha * x` below it, with a learnt `alpha` for every element of a sample.
    pub struct Prelu as prelu(x) {
        /// What the slopes begin with.
        pub alpha_initializer: Initializer = Initializer::ZEROS,
        /// Dimensions along which there is one slope for all, counted from 0, the batch: `[1, 2]` of images, for one
        /// slope a channel.
        pub shared_axes: Option<Vec<usize>> = None => "none",
    }
}

impl LayerRules for Prelu {
    const USAGE: Usage = Usage {
        purpose: "As `leaky_relu`, but the net learns how steep it is below 0, for each channel by itself.",
        node: "prelu1",
        reads: &[MAPS],
        attributes: || Prelu { shared_axes: Some(vec![1, 2]), ..Prelu::default() }.attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let x = cx.inputs[0];
        let ty = cx.ty(x);
        if ty.dtype != DType::F32 || ty.shape.batch_axis() != Some(0) {
            let message = format!("{} expects f32 numbers of shape [N,…], got {ty}", Self::NAME);
            return cx.fail(TypeError::operand(0, message));
        }
        let shared = self.shared_axes.as_deref().unwrap_or_default();
        if !shared.iter().all(|axis| (1..ty.rank()).contains(axis)) {
            let message =
                format!("{} expects `shared_axes` of {} without the batch, got {shared:?}", Self::NAME, ty.shape);
            return cx.fail(TypeError::new(message));
        }
        let mut sizes = Vec::new();
        for axis in 1..ty.rank() {
            let size = cx.fixed_dim(&ty, axis, "a size")?;
            sizes.push(if shared.contains(&axis) { 1 } else { size });
        }
        let alpha = cx.weight("alpha", &sizes, self.alpha_initializer.clone())?;
        let below = cx.part("below", Mul {}, &[x, alpha])?;
        cx.add(IfPositive {}, &[x, x, below])
    }
}
