//! `adamax` (Kingma and Ba 2015): Adam in units of the largest gradient of late, in place of the mean of squares.
//!
//! It remembers `adamax_m`, the moment, and `adamax_u`, the largest magnitude, which fades; and a scalar for all
//! parameters, the moment's correction.

use super::rules::{OptimizerRules, Preset, optimizer_struct};
use super::update::{Step, UpdateCx};
use crate::graph::NodeId;
use crate::ops::{Abs, Div, Maximum};

optimizer_struct! {
    /// Adamax: `m' = b1 * m + (1 - b1) * g`, `u' = max(b2 * u, |g|)`, `p' = p - lr / (1 - b1^t) * m' / (u' + epsilon)`.
    pub struct Adamax {
        /// Size of a step.
        pub learning_rate: f64 = 0.001 in NotNegative,
        /// Decay of the moment.
        pub beta1: f64 = 0.9 in Fraction,
        /// Decay of the largest magnitude.
        pub beta2: f64 = 0.999 in Fraction,
        /// Added to the largest magnitude.
        pub epsilon: f64 = 1e-7 in Positive,
    }
}

impl OptimizerRules for Adamax {
    const PRESETS: &'static [Preset] = &[Preset {
        name: "adamax",
        summary: "Adam with the largest magnitude of the gradients, which fades, in place of the root of their mean square: `u = max(beta2 * u, \
                  |g|)`. A NaN gradient stays in `u`.",
        fixed: &[],
    }];

    fn update(&self, cx: &mut UpdateCx<'_>, Step { p, g, lr }: Step) -> NodeId {
        let step_size = cx.once_a_rate("step size", |cx| {
            // lr / (1 - b1^t)
            let correction = cx.correction("adamax.correction", self.beta1);
            cx.add_named(Div {}, &[lr, correction], "adamax.step_size")
        });
        let m = cx.moving_average("adamax_m", g, self.beta1);
        // u' = max(b2 * u, |g|)
        let u = cx.state("adamax_u");
        let faded = cx.scaled(u, self.beta2);
        let magnitude = cx.add(Abs {}, &[g]);
        let largest = cx.add(Maximum {}, &[faded, magnitude]);
        cx.set(u, largest);
        // p' = p - step_size * m' / (u' + epsilon)
        let epsilon = cx.constant(self.epsilon);
        let divisor = cx.plus(largest, epsilon);
        let step = cx.times(m, step_size);
        let step = cx.over(step, divisor);
        cx.minus(p, step)
    }
}
