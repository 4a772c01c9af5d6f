//! Numbers on the command line, with messages that say what is accepted.

use std::num::IntErrorKind;
use std::str::FromStr;

/// Counts and sizes.
pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    match integer(text, usize::MAX) {
        Err(Wrong::Number) | Ok(0) => Err("expected an integer of at least 1".into()),
        Err(Wrong::TooLarge(message)) => Err(message),
        Ok(n) => Ok(n),
    }
}

/// A count, or several with commas between them.
pub(crate) fn several_at_least_one(text: &str) -> Result<Vec<usize>, String> {
    if !text.contains(',') {
        return Ok(vec![at_least_one(text)?]);
    }
    let count = |(number, entry): (usize, &str)| match integer(entry, usize::MAX) {
        Ok(n) if n > 0 => Ok(n),
        Err(Wrong::TooLarge(_)) => Err(format!("entry {number} is too large")),
        _ if entry.is_empty() => Err(format!("entry {number} is empty")),
        _ => Err(format!("entry {number} is no integer above 0")),
    };
    (1..).zip(text.split(',').map(str::trim)).map(count).collect()
}

/// Seeds of random numbers.
pub(crate) fn seed(text: &str) -> Result<u64, String> {
    integer(text, u64::MAX).map_err(|wrong| match wrong {
        Wrong::Number => "expected an integer of at least 0".into(),
        Wrong::TooLarge(message) => message,
    })
}

/// Learning rates, which the step gets in single precision.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let range = format!("expected 0, or a number from {:.1e} to {:.1e}", f32::MIN_POSITIVE, f32::MAX);
    let rate: f64 = text.parse().map_err(|_| range.clone())?;
    let is_zero = rate == 0.0 && rate.is_sign_positive();
    if is_zero || (rate > 0.0 && (rate as f32).is_normal()) { Ok(rate) } else { Err(range) }
}

/// Temperatures of draws.
pub(crate) fn temperature(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(temperature) if (0.0..=1000.0).contains(&temperature) => Ok(temperature),
        _ => Err("expected a number from 0 to 1000".into()),
    }
}

/// How long something is measured.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Ok(seconds),
        _ => Err("expected a number above 0 and at most 86400".into()),
    }
}

enum Wrong {
    Number,
    TooLarge(String),
}

fn integer<T: FromStr<Err = std::num::ParseIntError> + std::fmt::Display>(text: &str, most: T) -> Result<T, Wrong> {
    text.parse::<T>().map_err(|error| match error.kind() {
        IntErrorKind::PosOverflow => Wrong::TooLarge(format!("expected an integer of at most {most}")),
        _ => Wrong::Number,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        assert_eq!((at_least_one("1"), seed("0")), (Ok(1), Ok(0)));
        for text in ["0", "-1", "1.5", "", "1e3", "-99999999999999999999"] {
            assert_eq!(at_least_one(text), Err("expected an integer of at least 1".into()), "{text}");
        }
        for text in ["-1", "1.5", ""] {
            assert_eq!(seed(text), Err("expected an integer of at least 0".into()), "{text}");
        }
        let most = format!("expected an integer of at most {}", u64::MAX);
        assert_eq!(seed("18446744073709551616"), Err(most));
        assert!(at_least_one("99999999999999999999").unwrap_err().starts_with("expected an integer of at most "));
    }

    #[test]
    fn counts_in_a_row() {
        let several = several_at_least_one;
        assert_eq!((several("4"), several("1,2, 16")), (Ok(vec![4]), Ok(vec![1, 2, 16])));
        assert_eq!(several("2,1,2"), Ok(vec![2, 1, 2]), "in any order, and again");
        for text in ["", "0", "a"] {
            assert_eq!(several(text), Err("expected an integer of at least 1".into()), "{text}");
        }
        for (text, wrong) in [
            ("1,,2", "entry 2 is empty"),
            ("1,2,", "entry 3 is empty"),
            (",", "entry 1 is empty"),
            ("1,0", "entry 2 is no integer above 0"),
            ("a,2", "entry 1 is no integer above 0"),
            ("1,-2", "entry 2 is no integer above 0"),
            ("1,99999999999999999999", "entry 2 is too large"),
        ] {
            assert_eq!(several(text), Err(wrong.into()), "{text}");
        }
    }

    #[test]
    fn rates_are_what_they_say_in_single_precision() {
        for (text, expected) in [("0", 0.0), ("0.001", 0.001), ("1e-37", 1e-37), ("3e38", 3e38)] {
            assert_eq!(rate(text), Ok(expected), "{text}");
        }
        for text in ["-1", "-0", "1e39", "1e-40", "1e-46", "inf", "nan", "", "x"] {
            let expected = "expected 0, or a number from 1.2e-38 to 3.4e38";
            assert_eq!(rate(text), Err(expected.into()), "{text}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(seconds("0.5"), Ok(0.5));
        for text in ["0", "-1", "nan", "inf", "86401", "x"] {
            assert_eq!(seconds(text), Err("expected a number above 0 and at most 86400".into()), "{text}");
        }
    }
}
