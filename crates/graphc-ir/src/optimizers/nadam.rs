//! `nadam` (Dozat 2016): Adam that looks ahead as Nesterov's momentum does.
//!
//! It remembers `nadam_m` and `nadam_v`, the moments, and three scalars for all parameters: what the first moment's
//! decay has come to, what the product of these decays lacks to 1, and the second moment's correction.

use super::rules::{OptimizerRules, Preset, optimizer_struct};
use super::update::{Step, UpdateCx};
use crate::graph::NodeId;
use crate::ops::Sqrt;

/// The first moment's decay grows to `beta1` from half of it by this power: `b1 * (1 - 0.96^t / 2)`.
const GROWTH: f64 = 0.96;

optimizer_struct! {
    /// Nadam as in Keras, with the decay `u(t) = b1 * (1 - 0.96^t / 2)`, its product `U(t) = u(1) * … * u(t)` and the
    /// moments of Adam: `s = u(t+1) * m' / (1 - U(t+1)) + (1 - u(t)) * g / (1 - U(t))`,
    /// `p' = p - lr * s / (sqrt(v' / (1 - b2^t)) + epsilon)`.
    pub struct Nadam {
        /// Size of a step.
        pub learning_rate: f64 = 0.001 in NotNegative,
        /// Decay of the first moment.
        pub beta1: f64 = 0.9 in Fraction,
        /// Decay of the second moment.
        pub beta2: f64 = 0.999 in Fraction,
        /// Added to the root of the second moment.
        pub epsilon: f64 = 1e-7 in Positive,
    }
}

impl OptimizerRules for Nadam {
    const PRESETS: &'static [Preset] = &[Preset {
        name: "nadam",
        summary: "Adam with Nesterov's momentum: in place of the first moment a mean of it and of the gradient, which counts as it will in the next \
                  step's. The share that the moment keeps grows with the steps, as in Keras.",
        fixed: &[],
    }];

    fn update(&self, cx: &mut UpdateCx<'_>, Step { p, g, lr }: Step) -> NodeId {
        let of_moment = cx.once_a_rate("share of the moment", |cx| {
            let [_, share] = self.shares(cx);
            cx.times(lr, share)
        });
        let of_gradient = cx.once_a_rate("share of the gradient", |cx| {
            let [share, _] = self.shares(cx);
            cx.times(lr, share)
        });
        let m = cx.moving_average("nadam_m", g, self.beta1);
        let square = cx.times(g, g);
        let v = cx.moving_average("nadam_v", square, self.beta2);
        // s = lr * u(t+1) / (1 - U(t+1)) * m' + lr * (1 - u(t)) / (1 - U(t)) * g
        let [ahead, now] = [(m, of_moment), (g, of_gradient)].map(|(x, share)| cx.times(x, share));
        let step = cx.plus(ahead, now);
        // p' = p - s / (sqrt(v' / (1 - b2^t)) + epsilon)
        let correction = cx.correction("nadam.correction2", self.beta2);
        let mean = cx.over(v, correction);
        let root = cx.add(Sqrt {}, &[mean]);
        let epsilon = cx.constant(self.epsilon);
        let divisor = cx.plus(root, epsilon);
        let step = cx.over(step, divisor);
        cx.minus(p, step)
    }
}

impl Nadam {
    /// `(1 - u(t)) / (1 - U(t))`, of the gradient, and `u(t+1) / (1 - U(t+1))`, of the moment.
    fn shares(&self, cx: &mut UpdateCx<'_>) -> [NodeId; 2] {
        let of_gradient = cx.once("nadam.of_gradient", |cx| {
            let kept = self.decay(cx, 0);
            let one = cx.constant(1.0);
            let numerator = cx.minus(one, kept);
            let divisor = self.missing(cx);
            cx.over(numerator, divisor)
        });
        let of_moment = cx.once("nadam.of_moment", |cx| {
            // 1 - U(t+1) = q + (1 - q) * (1 - u(t+1)), where q = 1 - U(t)
            let ahead = self.decay(cx, 1);
            let missing = self.missing(cx);
            let divisor = rest_of_product(cx, missing, ahead);
            cx.over(ahead, divisor)
        });
        [of_gradient, of_moment]
    }

    /// `u(t + ahead) = b1 * (1 + c) / 2`, where `c = 1 - 0.96^(t + ahead)`.
    fn decay(&self, cx: &mut UpdateCx<'_>, ahead: usize) -> NodeId {
        let mut grown = cx.correction("nadam.growth", GROWTH);
        for _ in 0..ahead {
            grown = cx.nearer_to_one(grown, GROWTH);
        }
        let half = cx.constant(0.5 * self.beta1);
        let added = cx.times(grown, half);
        cx.plus(added, half)
    }

    /// `q(t) = 1 - U(t)`, kept as `q' = q + (1 - q) * (1 - u(t))`: it begins with 0.
    fn missing(&self, cx: &mut UpdateCx<'_>) -> NodeId {
        cx.once("nadam.missing", |cx| {
            let state = cx.scalar_state("nadam.missing");
            let decay = self.decay(cx, 0);
            let next = rest_of_product(cx, state, decay);
            cx.set(state, next);
            next
        })
    }
}

/// `1 - (1 - q) * u`, as `q + (1 - q) * (1 - u)`.
fn rest_of_product(cx: &mut UpdateCx<'_>, q: NodeId, u: NodeId) -> NodeId {
    let one = cx.constant(1.0);
    let [product, lost] = [q, u].map(|x| cx.minus(one, x));
    let gained = cx.times(product, lost);
    cx.plus(q, gained)
}
