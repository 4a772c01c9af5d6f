//! `lamb` (You and others 2019): Adam whose step is as large as the parameter, for large batches.
//!
//! It remembers `lamb_m` and `lamb_v`, the moments, and two scalars for all parameters, their corrections.

use super::rules::{OptimizerRules, Preset, optimizer_struct};
use super::update::{Step, UpdateCx};
use crate::graph::NodeId;
use crate::ops::{Greater, Sqrt, Where};

optimizer_struct! {
    /// LAMB as in Keras: `u = (m' / (1 - b1^t)) / (sqrt(v' / (1 - b2^t)) + epsilon)`, `p' = p - lr * ratio * u`, where
    /// `ratio` is the norm of the parameter by that of `u`, or 1 if either is 0. The decay of the weights is
    /// decoupled, as AdamW's, and precedes the ratio; in the paper it is a part of `u`.
    pub struct Lamb {
        /// Size of a step.
        pub learning_rate: f64 = 0.001 in NotNegative,
        /// Decay of the first moment.
        pub beta1: f64 = 0.9 in Fraction,
        /// Decay of the second moment.
        pub beta2: f64 = 0.999 in Fraction,
        /// Added to the root of the second moment.
        pub epsilon: f64 = 1e-7 in Positive,
        /// Weight decay.
        pub weight_decay: f64 = 0.0 in NotNegative,
    }
}

impl OptimizerRules for Lamb {
    const PRESETS: &'static [Preset] = &[Preset {
        name: "lamb",
        summary: "Adam whose step `u` is scaled to the size of the parameter: `p = p - learning_rate * norm(p) / norm(u) * u`, norms being those of \
                  all of a parameter's numbers; the quotient is 1 if either is 0. With weight decay `p` is first multiplied by `1 - learning_rate * \
                  weight_decay`.",
        fixed: &[],
    }];

    fn update(&self, cx: &mut UpdateCx<'_>, Step { p, g, lr }: Step) -> NodeId {
        let kept = cx.kept(lr, self.weight_decay);
        let p = kept.map_or(p, |kept| cx.times(p, kept));
        let m = cx.moving_average("lamb_m", g, self.beta1);
        let square = cx.times(g, g);
        let v = cx.moving_average("lamb_v", square, self.beta2);
        // u = (m' / c1) / (sqrt(v' / c2) + epsilon)
        let [correction1, correction2] = [("lamb.correction1", self.beta1), ("lamb.correction2", self.beta2)]
            .map(|(name, decay)| cx.correction(name, decay));
        let numerator = cx.over(m, correction1);
        let mean = cx.over(v, correction2);
        let root = cx.add(Sqrt {}, &[mean]);
        let epsilon = cx.constant(self.epsilon);
        let divisor = cx.plus(root, epsilon);
        let direction = cx.over(numerator, divisor);
        // p' = p - (lr * ratio) * u
        let ratio = trust_ratio(cx, p, direction);
        let step_size = cx.times(lr, ratio);
        let step = cx.times(direction, step_size);
        cx.minus(p, step)
    }
}

/// `norm(p) / norm(u)`, 1 unless both are greater than 0. So a NaN in the gradient stays in its number.
fn trust_ratio(cx: &mut UpdateCx<'_>, p: NodeId, u: NodeId) -> NodeId {
    let [of_parameter, of_step] = [p, u].map(|x| cx.norm(x));
    let ratio = cx.over(of_parameter, of_step);
    let (zero, one) = (cx.constant(0.0), cx.constant(1.0));
    [of_parameter, of_step].into_iter().fold(ratio, |ratio, norm| {
        let is_positive = cx.add(Greater {}, &[norm, zero]);
        cx.add(Where {}, &[is_positive, ratio, one])
    })
}
