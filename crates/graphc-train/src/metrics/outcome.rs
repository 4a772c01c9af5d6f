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

/// `a / b`, or 0 if `b` is.
pub(super) fn share(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}
