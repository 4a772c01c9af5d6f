//! Numbers of a graph file: in range, and the same in `f32`.

use crate::field::Range;
use graphc_ir::narrow::{Narrowing, narrow};

/// Why the text of a number is not acceptable.
pub(crate) enum NotANumber {
    OutOfRange,
    /// In range, but something else in `f32`, in which everything is computed.
    InF32(Option<Narrowing>),
}

/// The number, if it is in range and means the same in `f32`: no number but 0 may count as 0 there, no finite one be
/// infinite, and what must be less than 1 must stay so.
pub(crate) fn number(range: Range, text: &str) -> Result<f64, NotANumber> {
    let value: f64 = text.parse().map_err(|_| NotANumber::OutOfRange)?;
    if value.is_infinite() {
        return Err(NotANumber::InF32(Some(Narrowing::Infinite)));
    }
    if !range.contains(value) {
        return Err(NotANumber::OutOfRange);
    }
    match narrow(value) {
        Err(narrowing) => Err(NotANumber::InF32(Some(narrowing))),
        // The end of a range that is part of it may be rounded to either side.
        Ok(narrowed) if !range.contains(narrowed.into()) && !matches!(range, Range::UpTo(_)) => {
            Err(NotANumber::InF32(None))
        }
        Ok(_) => Ok(value),
    }
}

/// What a number becomes in `f32`, and what would be accepted; `None` if it is rounded to 1.
pub(crate) fn narrowing_label(range: Range, narrowing: Option<Narrowing>) -> String {
    let least = format!("{:e}", f32::MIN_POSITIVE);
    match (narrowing, range) {
        (None, _) => format!("this is 1 in f32; expected at most {}", 1.0f32.next_down()),
        (Some(what @ Narrowing::Infinite), Range::Any) => {
            format!("this {what}; expected at most {:e} in size", f32::MAX)
        }
        (Some(what @ Narrowing::Infinite), _) => format!("this {what}; expected at most {:e}", f32::MAX),
        (Some(what), Range::Positive) => format!("this {what}; expected at least {least}"),
        (Some(what), Range::NotNegative | Range::Fraction | Range::UpTo(_)) => {
            format!("this {what}; expected 0 or at least {least}")
        }
        (Some(what), Range::Any) => format!("this {what}; expected 0 or at least {least} in size"),
    }
}
