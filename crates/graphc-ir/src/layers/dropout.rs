//! `dropout`: random elements set to zero in training. The mask follows from the seed and the input `step`.

use super::context::LayerCx;
use super::rules::{LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops;
use crate::ops::facts::{FEATURES, Usage};

layer_struct! {
    /// Zeroes elements at random in training and scales the others up; does nothing in inference.
    pub struct Dropout as dropout(x) {
        /// Share of the elements that are zeroed.
        pub rate: f64 where Fraction,
        /// Seed of the mask.
        pub seed: Option<i64> where NotNegative = None => "the node's position in the file, counted from 0",
    }
}

impl LayerRules for Dropout {
    const USAGE: Usage = Usage {
        purpose: "Against overfitting: the training loss falls, the validation loss rises. Usual rates are 0.2 to 0.5.",
        node: "drop1",
        reads: &[FEATURES],
        attributes: || Dropout::new(0.2).attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let step = cx.step()?;
        let seed = self.seed.unwrap_or(cx.default_seed());
        cx.add(ops::Dropout { rate: self.rate, seed }, &[cx.inputs[0], step])
    }
}
