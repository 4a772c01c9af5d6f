//! [`Range`]: which numbers a setting may have.

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

    /// Whether the number is in it.
    pub fn contains(self, value: f64) -> bool {
        match self {
            Range::Any => true,
            Range::Positive => value > 0.0,
            Range::NotNegative => value >= 0.0,
            Range::Fraction => (0.0..1.0).contains(&value),
            Range::UpTo(most) => (0.0..=most).contains(&value),
        }
    }
}
