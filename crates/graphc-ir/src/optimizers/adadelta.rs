//! `adadelta` (Zeiler 2012): steps in units of the steps of late, so that a rate has no unit.
//!
//! It remembers `adadelta_g` and `adadelta_d`, the mean squares of gradients and of steps.

use super::rules::{OptimizerRules, Preset, optimizer_struct};
use super::update::{Step, UpdateCx};
use crate::graph::NodeId;
use crate::ops::Sqrt;

optimizer_struct! {
    /// Adadelta, epsilon inside the roots: `G' = rho * G + (1 - rho) * g^2`,
    /// `d = g * sqrt(D + epsilon) / sqrt(G' + epsilon)`, `D' = rho * D + (1 - rho) * d^2`, `p' = p - lr * d`.
    pub struct Adadelta {
        /// Factor on every step; 1 in the paper.
        pub learning_rate: f64 = 0.001 in NotNegative,
        /// Decay of the mean squares.
        pub rho: f64 = 0.95 in Fraction,
        /// Added to the mean squares.
        pub epsilon: f64 = 1e-7 in Positive,
    }
}

impl OptimizerRules for Adadelta {
    const PRESETS: &'static [Preset] = &[Preset {
        name: "adadelta",
        summary: "Adadelta: `d = g * sqrt(D + epsilon) / sqrt(G + epsilon)`, where `G` and `D` are mean squares of gradients and of steps, `p = p - \
                  learning_rate * d`. The paper's learning rate is 1.",
        fixed: &[],
    }];

    fn update(&self, cx: &mut UpdateCx<'_>, Step { p, g, lr }: Step) -> NodeId {
        let square = cx.times(g, g);
        let of_gradients = cx.moving_average("adadelta_g", square, self.rho);
        // d = g * sqrt(D + epsilon) / sqrt(G' + epsilon), with D before this step
        let of_steps = cx.state("adadelta_d");
        let [numerator, divisor] = [of_steps, of_gradients].map(|mean| {
            let epsilon = cx.constant(self.epsilon);
            let radicand = cx.plus(mean, epsilon);
            cx.add(Sqrt {}, &[radicand])
        });
        let scaled = cx.times(g, numerator);
        let step = cx.over(scaled, divisor);
        // D' = D + (d^2 - D) * (1 - rho)
        let square = cx.times(step, step);
        let difference = cx.minus(square, of_steps);
        let change = cx.scaled(difference, 1.0 - self.rho);
        let next = cx.plus(of_steps, change);
        cx.set(of_steps, next);
        // p' = p - lr * d
        let step = cx.times(step, lr);
        cx.minus(p, step)
    }
}
