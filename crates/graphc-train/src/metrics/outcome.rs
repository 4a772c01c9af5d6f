//! What predictions say, and shares of them.

/// What a prediction says of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// One of so many classes, by as many numbers.
    Class(usize),
    /// Yes or no, by one number.
    YesOrNo,
    /// Any numbers.
    Values,
}

/// How predictions and targets are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What the predictions of a class, or of yes, are.
    pub form: Form,
    /// The label that does not count.
    pub ignored: Option<i32>,
}

/// What a number says of a class, or of yes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Its probability.
    #[default]
    Probability,
    /// Something of which `softmax` or `sigmoid` makes that.
    Logit,
    /// The logarithm of it.
    LogProbability,
}

/// `a / b`, or 0 if `b` is.
pub(super) fn share(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}
