//! `rmsprop` (Tieleman and Hinton 2012): steps in units of the gradient's size of late.
//!
//! It remembers `rmsprop_v`, the mean of squares; centered also `rmsprop_m`, the mean; with momentum also
//! `rmsprop_velocity`, the last step.

use super::rules::{OptimizerRules, Preset, optimizer_struct};
use super::update::{Step, UpdateCx};
use crate::graph::NodeId;
use crate::ops::Sqrt;

optimizer_struct! {
    /// RMSprop, epsilon inside the root: `v' = rho * v + (1 - rho) * g^2`, `s = lr * g / sqrt(v' + epsilon)`,
    /// `p' = p - s`; with momentum `u' = momentum * u + s`, `p' = p - u'`.
    pub struct RmsProp {
        /// Size of a step.
        pub learning_rate: f64 = 0.001 in NotNegative,
        /// Decay of the mean of squares.
        pub rho: f64 = 0.9 in Fraction,
        /// Share of the last step that is kept.
        pub momentum: f64 = 0.0 in Fraction,
        /// Added to the mean of squares.
        pub epsilon: f64 = 1e-7 in Positive,
        /// Whether the variance takes the place of the mean of squares: less the square of the mean gradient.
        pub centered: bool = false,
    }
}

impl OptimizerRules for RmsProp {
    const PRESETS: &'static [Preset] = &[Preset {
        name: "rmsprop",
        summary: "RMSprop: `v = rho * v + (1 - rho) * g^2`, `p = p - learning_rate * g / sqrt(v + epsilon)`.",
        fixed: &[],
    }];

    fn update(&self, cx: &mut UpdateCx<'_>, Step { p, g, lr }: Step) -> NodeId {
        let v = if self.centered { self.variance(cx, g) } else { self.mean_of_squares(cx, g) };
        // s = lr * g / sqrt(v' + epsilon)
        let epsilon = cx.constant(self.epsilon);
        let radicand = cx.plus(v, epsilon);
        let root = cx.add(Sqrt {}, &[radicand]);
        let step = cx.times(g, lr);
        let step = cx.over(step, root);
        if self.momentum == 0.0 {
            return cx.minus(p, step);
        }
        // u' = momentum * u + s
        let velocity = cx.state("rmsprop_velocity");
        let kept = cx.scaled(velocity, self.momentum);
        let next_velocity = cx.plus(kept, step);
        cx.set(velocity, next_velocity);
        cx.minus(p, next_velocity)
    }
}

impl RmsProp {
    fn mean_of_squares(&self, cx: &mut UpdateCx<'_>, g: NodeId) -> NodeId {
        let square = cx.times(g, g);
        cx.moving_average("rmsprop_v", square, self.rho)
    }

    /// The mean of squares less the square of the mean, `m' = rho * m + (1 - rho) * g`. That difference would be
    /// rounded to less than 0 where gradients stay alike; so, with `d = g - m` and `c = (1 - rho) * d`, it is kept as
    /// `v' = rho * (v + c * d)`, which is the same and never negative.
    fn variance(&self, cx: &mut UpdateCx<'_>, g: NodeId) -> NodeId {
        let mean = cx.state("rmsprop_m");
        let difference = cx.minus(g, mean);
        let change = cx.scaled(difference, 1.0 - self.rho);
        let next_mean = cx.plus(mean, change);
        cx.set(mean, next_mean);
        let v = cx.state("rmsprop_v");
        let added = cx.times(change, difference);
        let sum = cx.plus(v, added);
        let next = cx.scaled(sum, self.rho);
        cx.set(v, next);
        next
    }
}
