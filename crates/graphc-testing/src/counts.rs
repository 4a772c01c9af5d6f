//! How often random tests repeat themselves: a short count for every day, a long one for `cargo xtask ci --long`.

use std::env::var;

/// Cases of a random test: `GRAPHC_CASES` if that is set, else `long` if `GRAPHC_LONG` is, else `short`.
#[must_use]
pub fn cases(short: u32, long: u32) -> u32 {
    count("GRAPHC_CASES", short, long)
}

/// As [`cases`], with a variable of its own.
///
/// # Panics
///
/// If the variable is no number.
#[must_use]
pub fn count(variable: &str, short: u32, long: u32) -> u32 {
    chosen(variable, var(variable).ok().as_deref(), var("GRAPHC_LONG").is_ok_and(|value| value == "1"), short, long)
}

fn chosen(variable: &str, wanted: Option<&str>, is_long: bool, short: u32, long: u32) -> u32 {
    match wanted {
        Some(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is `{text}`, expected a number")),
        None if is_long => long,
        None => short,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_stronger_than_the_length() {
        assert_eq!(chosen("N", None, false, 3, 40), 3);
        assert_eq!(chosen("N", None, true, 3, 40), 40);
        assert_eq!(chosen("N", Some("7"), true, 3, 40), 7);
    }

    #[test]
    #[should_panic(expected = "N is `many`, expected a number")]
    fn what_is_no_number_is_no_count() {
        chosen("N", Some("many"), false, 3, 40);
    }
}
