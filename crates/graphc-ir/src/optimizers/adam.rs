//! `adam` (Kingma and Ba 2015) and `adamw` (Loshchilov and Hutter 2019), which is the same with a decay of the weights.
//!
//! It remembers `adam_m` and `adam_v`, the moments, and two scalars for all parameters, their corrections.

use super::rules::{OptimizerRules, Preset, optimizer_struct};
use super::update::{Step, UpdateCx};
use crate::graph::NodeId;
use crate::ops::{Div, Sqrt};

optimizer_struct! {
    /// Adam, epsilon outside the root, bias correction in the step size:
    /// `p' = p - lr * sqrt(1 - b2^t) / (1 - b1^t) * m' / (sqrt(v') + epsilon)`. The decay of the weights is decoupled:
    /// `p` is first multiplied by `1 - lr * weight_decay`; 0 for Adam.
    pub struct Adam {
        /// Size of a step.
        pub learning_rate: f64 = 0.001 in NotNegative,
        /// Decay of the first moment.
        pub beta1: f64 = 0.9 in Fraction,
        /// Decay of the second moment.
        pub beta2: f64 = 0.999 in Fraction,
        /// Added to the root of the second moment.
        pub epsilon: f64 = 1e-7 in Positive,
        /// Weight decay.
        pub weight_decay: f64 = 0.004 in NotNegative,
    }
}

impl OptimizerRules for Adam {
    const PRESETS: &'static [Preset] = &[
        Preset {
            name: "adam",
            summary: "Adam, with epsilon outside the root and the bias correction in the step size.",
            fixed: &[("weight_decay", 0.0)],
        },
        Preset {
            name: "adamw",
            summary: "Adam with decoupled weight decay: `p` is first multiplied by `1 - learning_rate * weight_decay`.",
            fixed: &[],
        },
    ];

    fn update(&self, cx: &mut UpdateCx<'_>, Step { p, g, lr }: Step) -> NodeId {
        let step_size = cx.once_a_rate("step size", |cx| self.step_size(cx, lr));
        let kept = cx.kept(lr, self.weight_decay);
        // m' = m + (g - m) * (1 - b1); v' = v + (g * g - v) * (1 - b2)
        let m = cx.moving_average("adam_m", g, self.beta1);
        let square = cx.times(g, g);
        let v = cx.moving_average("adam_v", square, self.beta2);
        // p' = kept * p - lr_t * m' / (sqrt(v') + epsilon)
        let root = cx.add(Sqrt {}, &[v]);
        let epsilon = cx.constant(self.epsilon);
        let divisor = cx.plus(root, epsilon);
        let step = cx.times(m, step_size);
        let step = cx.over(step, divisor);
        let decayed = kept.map_or(p, |kept| cx.times(p, kept));
        cx.minus(decayed, step)
    }
}

impl Adam {
    /// `lr_t = lr * sqrt(1 - b2^t) / (1 - b1^t)`.
    fn step_size(&self, cx: &mut UpdateCx<'_>, lr: NodeId) -> NodeId {
        let correction1 = cx.correction("adam.correction1", self.beta1);
        let correction2 = cx.correction("adam.correction2", self.beta2);
        let root = cx.add(Sqrt {}, &[correction2]);
        let numerator = cx.times(lr, root);
        cx.add_named(Div {}, &[numerator, correction1], "adam.step_size")
    }
}
