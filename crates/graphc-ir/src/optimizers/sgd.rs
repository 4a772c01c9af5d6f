//! `sgd`: gradient descent, with momentum and Nesterov's variant of it in Keras's form.
//!
//! With momentum it remembers `sgd_velocity`, the last step.

use super::rules::{OptimizerRules, Preset, optimizer_struct};
use super::update::{Step, UpdateCx};
use crate::graph::NodeId;

optimizer_struct! {
    /// Gradient descent: `v' = momentum * v - lr * g`, `p' = p + v'`; with Nesterov
    /// `p' = p + momentum * v' - lr * g`. Without momentum there is no `v`.
    pub struct Sgd {
        /// Size of a step.
        pub learning_rate: f64 = 0.01 in NotNegative,
        /// Share of the last step that is kept.
        pub momentum: f64 = 0.0 in Fraction,
        /// Nesterov's variant: `p = p + momentum * v - learning_rate * g`.
        pub nesterov: bool = false,
    }
}

impl OptimizerRules for Sgd {
    const PRESETS: &'static [Preset] = &[Preset {
        name: "sgd",
        summary: "Gradient descent: `v = momentum * v - learning_rate * g`, `p = p + v`.",
        fixed: &[],
    }];

    fn update(&self, cx: &mut UpdateCx<'_>, Step { p, g, lr }: Step) -> NodeId {
        let step = cx.times(g, lr);
        if self.momentum == 0.0 {
            // p' = p - lr * g
            return cx.minus(p, step);
        }
        // v' = momentum * v - lr * g
        let velocity = cx.state("sgd_velocity");
        let kept = cx.scaled(velocity, self.momentum);
        let next_velocity = cx.minus(kept, step);
        cx.set(velocity, next_velocity);
        if !self.nesterov {
            // p' = p + v'
            return cx.plus(p, next_velocity);
        }
        // p' = p + momentum * v' - lr * g
        let ahead = cx.scaled(next_velocity, self.momentum);
        let moved = cx.plus(p, ahead);
        cx.minus(moved, step)
    }
}
