//! What an optimizer is called and which numbers it has; `graphc-autodiff` writes its update nodes.

use crate::narrow::narrow;
use crate::text::shown;
use std::fmt;

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

/// Exponential moving averages of the trainable parameters, kept by training steps beside them: after step `t`
/// `a' = a + (p' - a) * (1 - decay) / (1 - decay^t)`, the mean of the values after every step so far in which one of
/// `k` steps ago counts `decay^k`. So the first step's is its own average, and there is no initial value to forget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Averaging {
    /// Share of the old average that is kept, at least 0 and less than 1.
    pub decay: f64,
}

impl Averaging {
    /// What the average of a parameter is called: a part of the state, as an optimizer's.
    pub fn name_of(parameter: &str) -> String {
        format!("{parameter}.{AVERAGE}")
    }

    /// Whether the decay is one.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn check(&self) -> Result<(), String> {
        match narrow(self.decay) {
            Ok(decay) if (0.0..1.0).contains(&decay) => Ok(()),
            _ => Err(format!("`decay` must be at least 0 and less than 1, got {:e}", self.decay)),
        }
    }
}

/// What the names of averages end with.
pub const AVERAGE: &str = "average";

impl Optimizer {
    /// Every name that [`Optimizer::by_name`] knows.
    pub const NAMES: [&str; 3] = ["sgd", "adam", "adamw"];

    /// Default of the input `learning_rate`.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Optimizer::Sgd { learning_rate, .. } | Optimizer::Adam { learning_rate, .. } => *learning_rate,
        }
    }

    /// Its numbers by name.
    fn numbers(&self) -> Vec<(&'static str, f64)> {
        match *self {
            Optimizer::Sgd { learning_rate, momentum, nesterov: _ } => {
                vec![("learning_rate", learning_rate), ("momentum", momentum)]
            }
            Optimizer::Adam { learning_rate, beta1, beta2, epsilon, weight_decay } => vec![
                ("learning_rate", learning_rate),
                ("beta1", beta1),
                ("beta2", beta2),
                ("epsilon", epsilon),
                ("weight_decay", weight_decay),
            ],
        }
    }

    /// Whether every number is finite and means the same in `f32`, in which it is computed.
    ///
    /// # Errors
    /// Names the first number of which that is not so, and what it becomes.
    pub fn check(&self) -> Result<(), String> {
        for (name, value) in self.numbers() {
            if !value.is_finite() {
                return Err(format!("`{name}` must be finite, got {value}"));
            }
            narrow(value).map_err(|what| format!("`{name}` {value:e} {what}"))?;
        }
        Ok(())
    }

    /// The optimizer of that name with the defaults of Keras 3 (`keras.optimizers.SGD`, `Adam` and `AdamW`; those of
    /// graph files, too): `sgd` has a learning rate of 0.01 and no momentum; `adam` a learning rate of 0.001,
    /// `beta1` 0.9, `beta2` 0.999 and `epsilon` 1e-7; `adamw` is `adam` with a weight decay of 0.004.
    ///
    /// ```
    /// use graphc_ir::Optimizer;
    ///
    /// assert_eq!(Optimizer::by_name("adam"), Ok(Optimizer::adam(0.001)));
    /// let error = Optimizer::by_name("adma").unwrap_err();
    /// assert_eq!(error.to_string(), "there is no optimizer `adma`; there are sgd, adam, adamw");
    /// ```
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn by_name(name: &str) -> Result<Optimizer, UnknownOptimizer> {
        match name {
            "sgd" => Ok(Optimizer::sgd(0.01)),
            "adam" => Ok(Optimizer::adam(0.001)),
            "adamw" => Ok(Optimizer::adamw(0.001)),
            _ => Err(UnknownOptimizer(name.into())),
        }
    }

    /// Its name, also in graph files.
    pub fn name(&self) -> &'static str {
        match self {
            Optimizer::Sgd { .. } => "sgd",
            Optimizer::Adam { weight_decay: 0.0, .. } => "adam",
            Optimizer::Adam { .. } => "adamw",
        }
    }

    /// Gradient descent without momentum.
    pub fn sgd(learning_rate: f64) -> Optimizer {
        Optimizer::Sgd { learning_rate, momentum: 0.0, nesterov: false }
    }

    /// Keras's AdamW, with a weight decay of 0.004.
    pub fn adamw(learning_rate: f64) -> Optimizer {
        Optimizer::Adam { learning_rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay: 0.004 }
    }

    /// Keras's Adam.
    pub fn adam(learning_rate: f64) -> Optimizer {
        Optimizer::Adam { learning_rate, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay: 0.0 }
    }
}

/// There is no optimizer of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownOptimizer(pub String);

impl fmt::Display for UnknownOptimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no optimizer `{}`; there are {}", shown(&self.0), Optimizer::NAMES.join(", "))
    }
}

impl std::error::Error for UnknownOptimizer {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_forget() {
        assert_eq!(Averaging { decay: 0.0 }.check(), Ok(()));
        assert_eq!(Averaging { decay: 0.999 }.check(), Ok(()));
        for decay in [1.0, 0.999_999_99, -0.1, f64::NAN] {
            assert!(Averaging { decay }.check().unwrap_err().starts_with("`decay` must be at least 0"), "{decay}");
        }
    }

    #[test]
    fn every_name_is_its_own() {
        for name in Optimizer::NAMES {
            assert_eq!(Optimizer::by_name(name).unwrap().name(), name);
        }
    }

    #[test]
    fn numbers_are_what_they_say() {
        assert_eq!(Optimizer::adam(0.0).check(), Ok(()));
        assert_eq!(Optimizer::adam(1e39).check(), Err("`learning_rate` 1e39 is infinite in f32".into()));
        assert_eq!(Optimizer::adam(f64::NAN).check(), Err("`learning_rate` must be finite, got NaN".into()));
        let Optimizer::Adam { learning_rate, beta1, beta2, weight_decay, .. } = Optimizer::adam(0.1) else { panic!() };
        let adam = |epsilon| Optimizer::Adam { learning_rate, beta1, beta2, epsilon, weight_decay };
        assert_eq!(adam(1e-46).check(), Err("`epsilon` 1e-46 is 0 in f32".into()));
        assert_eq!(adam(1e-40).check(), Err("`epsilon` 1e-40 is subnormal in f32, which counts as 0".into()));
        let sgd = Optimizer::Sgd { learning_rate: 0.1, momentum: 1e-39, nesterov: false };
        assert_eq!(sgd.check(), Err("`momentum` 1e-39 is subnormal in f32, which counts as 0".into()));
    }
}
