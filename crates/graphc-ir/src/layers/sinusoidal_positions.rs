//! `sinusoidal_positions`: waves that tell the places of a sequence apart (Vaswani and others 2017).

use super::context::LayerCx;
use super::position_embedding::sequence_sizes;
use super::rules::{LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::builder::BuildResult;
use crate::ops::facts::Usage;
use crate::ops::{Add, Literal};
use crate::types::DType;

layer_struct! {
    /// Adds sine and cosine of `place / max_wavelength^(2i / features)` to the features `2i` and `2i + 1` of each
    /// place, counted from 0. Nothing is learnt.
    pub struct SinusoidalPositions as sinusoidal_positions(x) {
        /// The greatest wavelength, divided by 2 pi.
        pub max_wavelength: f64 where Positive = 10000.0,
    }
}

impl LayerRules for SinusoidalPositions {
    const USAGE: Usage = Usage {
        purpose: "As `position_embedding`, without parameters: for little data, or sequences of other lengths.",
        node: "placed",
        reads: &[("tokens", DType::F32, &[49, 64])],
        attributes: || SinusoidalPositions::default().attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let [places, features] = sequence_sizes(cx, "sinusoidal_positions")?;
        let wave = |i: usize| {
            let (place, feature) = ((i / features) as f64, i % features);
            let angle = place / self.max_wavelength.powf((feature - feature % 2) as f64 / features as f64);
            f64::from((if feature % 2 == 0 { angle.sin() } else { angle.cos() }) as f32)
        };
        let waves: Vec<f64> = (0..places * features).map(wave).collect();
        let waves = cx.part("waves", Literal::f32(&[places, features], waves), &[])?;
        cx.add(Add {}, &[cx.inputs[0], waves])
    }
}
