//! [`Loss`]: what is minimised.

use crate::ops::{BinaryCrossentropy, CategoricalCrossentropy, Huber, MeanAbsoluteError, MeanSquaredError, Op};

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Mean over the batch of `-log(probability of the label)`; the target holds class numbers. Or with a target of
    /// the prediction's shape, `-sum over the classes of target * log(prediction)`.
    CategoricalCrossentropy,
    /// Mean of `-log(probability of what the target says)`, which is 0 or 1.
    BinaryCrossentropy,
    /// Mean of the squared differences.
    MeanSquaredError,
    /// Mean of the absolute differences.
    MeanAbsoluteError,
    /// Mean of half the squared differences, and of a line where they are larger than `delta`.
    Huber {
        /// Where the line begins.
        delta: f64,
    },
}

impl Loss {
    /// Every loss, with the numbers it has if none are given.
    pub const ALL: [Loss; 5] = [
        Loss::CategoricalCrossentropy,
        Loss::BinaryCrossentropy,
        Loss::MeanSquaredError,
        Loss::MeanAbsoluteError,
        Loss::Huber { delta: 1.0 },
    ];

    /// Its op.
    pub fn op(self) -> Op {
        match self {
            Loss::CategoricalCrossentropy => CategoricalCrossentropy {}.into(),
            Loss::BinaryCrossentropy => BinaryCrossentropy {}.into(),
            Loss::MeanSquaredError => MeanSquaredError {}.into(),
            Loss::MeanAbsoluteError => MeanAbsoluteError {}.into(),
            Loss::Huber { delta } => Huber { delta }.into(),
        }
    }

    /// The name in graph files; the same as the op's.
    pub fn name(self) -> &'static str {
        self.op().name()
    }
}
