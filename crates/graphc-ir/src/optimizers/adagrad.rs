//! `adagrad` (Duchi, Hazan and Singer 2011): every number has steps of its own, which become smaller only.
//!
//! It remembers `adagrad_sum`, the sum of squares without what it begins with.

use super::rules::{OptimizerRules, Preset, optimizer_struct};
use super::update::{Step, UpdateCx};
use crate::graph::NodeId;
use crate::ops::Sqrt;

optimizer_struct! {
    /// Adagrad, epsilon inside the root: `a' = a + g^2`, `p' = p - lr * g / sqrt(a' + epsilon)`.
    pub struct Adagrad {
        /// Size of a step.
        pub learning_rate: f64 = 0.001 in NotNegative,
        /// What the sum of squares begins with.
        pub initial_accumulator_value: f64 = 0.1 in NotNegative,
        /// Added to the sum of squares.
        pub epsilon: f64 = 1e-7 in Positive,
    }
}

impl OptimizerRules for Adagrad {
    const PRESETS: &'static [Preset] = &[Preset {
        name: "adagrad",
        summary: "Adagrad: `a = a + g^2`, `p = p - learning_rate * g / sqrt(a + epsilon)`.",
        fixed: &[],
    }];

    fn update(&self, cx: &mut UpdateCx<'_>, Step { p, g, lr }: Step) -> NodeId {
        // s' = s + g^2, where a = s + initial
        let sum = cx.state("adagrad_sum");
        let square = cx.times(g, g);
        let next = cx.plus(sum, square);
        cx.set(sum, next);
        // p' = p - lr * g / sqrt(s' + (initial + epsilon))
        let rest = cx.constant(self.initial_accumulator_value + self.epsilon);
        let radicand = cx.plus(next, rest);
        let root = cx.add(Sqrt {}, &[radicand]);
        let step = cx.times(g, lr);
        let step = cx.over(step, root);
        cx.minus(p, step)
    }
}
