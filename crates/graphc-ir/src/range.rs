//! Ranges of numbers, as settings, attributes of ops and fields of graph files have them.

/// Range of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// Every number.
    Any,
    /// Greater than 0.
    Positive,
    /// At least 0.
    NotNegative,
    /// 0 included, 1 excluded.
    Fraction,
    /// From 0 to that number, both included.
    UpTo(f64),
}

impl Range {
    /// What stands behind "a number".
    pub fn in_words(self) -> String {
        match self {
            Range::Any => String::new(),
            Range::Positive => " greater than 0".into(),
            Range::NotNegative => " of at least 0".into(),
            Range::Fraction => " of at least 0 and less than 1".into(),
            Range::UpTo(most) => format!(" from 0 to {most}"),
        }
    }

    /// Whether the number lies in it; NaN lies in [`Range::Any`] alone.
    pub fn contains(self, value: f64) -> bool {
        match self {
            Range::Any => true,
            Range::Positive => value > 0.0,
            Range::NotNegative => value >= 0.0,
            Range::Fraction => (0.0..1.0).contains(&value),
            Range::UpTo(most) => (0.0..=most).contains(&value),
        }
    }

    /// A few different numbers of the range, for tests.
    pub fn samples(self) -> Vec<f64> {
        match self {
            Range::Any => vec![0.75, -0.375, 1.5],
            Range::Positive => vec![0.75, 0.375, 1.5],
            Range::NotNegative => vec![0.75, 0.0, 1.5],
            Range::Fraction => vec![0.75, 0.0, 0.375],
            Range::UpTo(most) => vec![0.5 * most, 0.0, most],
        }
    }
}
