//! Numbers of files and programs as the `f32` that the machine code computes with.
//!
//! Every number that a user writes goes through [`narrow`], in the graph file, on the command line and in
//! [`GraphBuilder`](crate::graph::builder::GraphBuilder), so that none silently becomes 0 or infinite.

use std::fmt;

/// What a number becomes in `f32`, if that is not what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Narrowing {
    /// It is not 0, but nearer to 0 than to any other `f32`.
    Zero,
    /// It is subnormal, and machine code counts subnormal numbers as 0.
    Subnormal,
    /// It is finite, but larger than every `f32`.
    Infinite,
}

impl fmt::Display for Narrowing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Narrowing::Zero => f.write_str("is 0 in f32"),
            Narrowing::Subnormal => f.write_str("is subnormal in f32, which counts as 0"),
            Narrowing::Infinite => f.write_str("is infinite in f32"),
        }
    }
}

/// The nearest `f32`; zeros, infinities and NaN stay what they are.
///
/// # Errors
/// If a finite number other than 0 would become one that counts as 0, or infinite.
///
/// ```
/// use graphc_ir::narrow::{Narrowing, narrow};
///
/// assert_eq!(narrow(0.1), Ok(0.1f32));
/// assert_eq!(narrow(-0.0), Ok(0.0));
/// assert_eq!(narrow(1e-46), Err(Narrowing::Zero));
/// assert_eq!(narrow(-1e-40), Err(Narrowing::Subnormal));
/// assert_eq!(narrow(1e39), Err(Narrowing::Infinite));
/// ```
pub fn narrow(value: f64) -> Result<f32, Narrowing> {
    let narrowed = value as f32;
    if narrowed == 0.0 && value != 0.0 {
        Err(Narrowing::Zero)
    } else if narrowed.is_subnormal() {
        Err(Narrowing::Subnormal)
    } else if narrowed.is_infinite() && value.is_finite() {
        Err(Narrowing::Infinite)
    } else {
        Ok(narrowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_borders_are_exact() {
        let (least, most) = (f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX));
        assert_eq!(narrow(least), Ok(f32::MIN_POSITIVE));
        assert_eq!(narrow(-most), Ok(f32::MIN));
        // Conversion rounds to nearest: a number just below the least normal one still becomes it.
        assert_eq!(narrow(least * (1.0 - 2f64.powi(-26))), Ok(f32::MIN_POSITIVE));
        assert_eq!(narrow(least * (1.0 - 2f64.powi(-22))), Err(Narrowing::Subnormal));
        assert_eq!(narrow(most * (1.0 + 2f64.powi(-26))), Ok(f32::MAX));
        assert_eq!(narrow(most * (1.0 + 2f64.powi(-24))), Err(Narrowing::Infinite));
        assert_eq!(narrow(f64::from_bits(1)), Err(Narrowing::Zero));
        assert_eq!(narrow(2f64.powi(-150)), Err(Narrowing::Zero));
        assert_eq!(narrow(2f64.powi(-149)), Err(Narrowing::Subnormal));
    }

    #[test]
    fn what_is_meant_stays() {
        assert!(narrow(f64::NAN).is_ok_and(f32::is_nan));
        assert_eq!(narrow(f64::NEG_INFINITY), Ok(f32::NEG_INFINITY));
        assert_eq!(narrow(-0.0).map(f32::to_bits), Ok((-0.0f32).to_bits()));
    }
}
