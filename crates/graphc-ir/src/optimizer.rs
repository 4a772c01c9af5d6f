//! What an optimizer is called and which numbers it has; `graphc-autodiff` writes its update nodes.

/// Rule that turns gradients into parameter updates. The learning rate is an input of the step
/// (`learning_rate`); the value here is its default.
#[derive(Clone, Debug, PartialEq)]
pub enum Optimizer {
    /// Gradient descent: `v' = momentum * v - lr * g`, `p' = p + v'`; with Nesterov
    /// `p' = p + momentum * v' - lr * g` (Keras's form). Without momentum there is no `v`.
    Sgd {
        /// Default of the input `learning_rate`.
        learning_rate: f64,
        /// 0 for plain gradient descent.
        momentum: f64,
        /// Nesterov's variant.
        nesterov: bool,
    },
    /// Adam (Kingma and Ba 2015), epsilon outside the root, bias correction in the step size:
    /// `p' = p - lr * sqrt(1 - b2^t) / (1 - b1^t) * m' / (sqrt(v') + epsilon)`.
    Adam {
        /// Default of the input `learning_rate`.
        learning_rate: f64,
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
        /// Decoupled weight decay (AdamW, Loshchilov and Hutter 2019): `p` is first multiplied by
        /// `1 - lr * weight_decay`; 0 for Adam.
        weight_decay: f64,
    },
}

impl Optimizer {
    /// Default of the input `learning_rate`.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Optimizer::Sgd { learning_rate, .. } | Optimizer::Adam { learning_rate, .. } => *learning_rate,
        }
    }

    /// Keras's Adam.
    pub fn adam(learning_rate: f64) -> Optimizer {
        Optimizer::Adam { learning_rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay: 0.0 }
    }
}
