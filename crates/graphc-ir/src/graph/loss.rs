//! [`Loss`]: what is minimised.

use crate::ops::{BinaryCrossentropy, CategoricalCrossentropy, Huber, MeanAbsoluteError, MeanSquaredError, Op};

/// The losses that most networks take. Any other, and these with settings, are ops: whatever says how a network uses it
/// as its loss ([`crate::ops::OpRules::LOSS`]).
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

impl From<Loss> for Op {
    fn from(loss: Loss) -> Op {
        match loss {
            Loss::CategoricalCrossentropy => CategoricalCrossentropy::PLAIN.into(),
            Loss::BinaryCrossentropy => BinaryCrossentropy::PLAIN.into(),
            Loss::MeanSquaredError => MeanSquaredError {}.into(),
            Loss::MeanAbsoluteError => MeanAbsoluteError {}.into(),
            Loss::Huber { delta } => Huber { delta }.into(),
        }
    }
}
