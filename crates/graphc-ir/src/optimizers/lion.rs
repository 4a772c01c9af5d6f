//! `lion` (Chen and others 2023): steps of one size, in the direction of a mean gradient.
//!
//! It remembers `lion_m`, the moment.

use super::rules::{OptimizerRules, Preset, optimizer_struct};
use super::update::{Step, UpdateCx};
use crate::graph::NodeId;
use crate::ops::Sign;

optimizer_struct! {
    /// Lion: `p' = p - lr * sign(b1 * m + (1 - b1) * g)`, `m' = b2 * m + (1 - b2) * g`. The decay of the weights is
    /// decoupled, as AdamW's.
    pub struct Lion {
        /// Size of a step.
        pub learning_rate: f64 = 0.001 in NotNegative,
        /// Share of the moment in the direction.
        pub beta1: f64 = 0.9 in Fraction,
        /// Decay of the moment.
        pub beta2: f64 = 0.99 in Fraction,
        /// Weight decay.
        pub weight_decay: f64 = 0.0 in NotNegative,
    }
}

impl OptimizerRules for Lion {
    const PRESETS: &'static [Preset] = &[Preset {
        name: "lion",
        summary: "Lion: `p = p - learning_rate * sign(beta1 * m + (1 - beta1) * g)`; with weight decay `p` is first \
                  multiplied by `1 - learning_rate * weight_decay`.",
        fixed: &[],
    }];

    fn update(&self, cx: &mut UpdateCx<'_>, Step { p, g, lr }: Step) -> NodeId {
        let kept = cx.kept(lr, self.weight_decay);
        // c = m + (g - m) * (1 - b1); m' = m + (g - m) * (1 - b2)
        let m = cx.state("lion_m");
        let difference = cx.minus(g, m);
        let change = cx.scaled(difference, 1.0 - self.beta1);
        let direction = cx.plus(m, change);
        let change = cx.scaled(difference, 1.0 - self.beta2);
        let next_m = cx.plus(m, change);
        cx.set(m, next_m);
        // p' = kept * p - lr * sign(c)
        let sign = cx.add(Sign {}, &[direction]);
        let step = cx.times(sign, lr);
        let decayed = kept.map_or(p, |kept| cx.times(p, kept));
        cx.minus(decayed, step)
    }
}
