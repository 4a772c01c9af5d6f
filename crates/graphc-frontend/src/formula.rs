//! Formulas of whole numbers: what stands in a string with `$names`, such as `"4 * $dim"`.
//!
//! ```text
//! sum     = product { ("+" | "-") product }
//! product = factor { ("*" | "/") factor }
//! factor  = "-" factor | number | "$" name | "(" sum ")"
//! ```

use crate::limits::MAX_NESTING;
use crate::source_text::Span;

/// Why a formula has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) what: What,
    /// Bytes of the formula.
    pub(crate) at: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Something else was expected there.
    Syntax(&'static str),
    /// There is nothing of that name.
    Unknown(String),
    /// What has that name is no whole number.
    NotWhole(String),
    /// The first number is not a multiple of the second.
    NotAMultiple(i64, i64),
    TooLarge,
}

/// What a name stands for.
pub(crate) enum Named {
    Whole(i64),
    Other,
    Nothing,
}

/// The name in a formula that is nothing but a name, such as `$dim`.
pub(crate) fn only_name(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    (!name.is_empty() && name.chars().all(is_in_name)).then_some(name)
}

/// The value of a formula.
///
/// # Errors
/// If it is none, or its value is no whole number that fits into 64 bits.
pub(crate) fn evaluate(text: &str, named: &dyn Fn(&str) -> Named) -> Result<i64, Mistake> {
    let mut reader = Reader { text, at: 0, depth: 0, named };
    let value = reader.sum()?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => reader.unexpected("expected `+`, `-`, `*`, `/` or the end"),
    }
}

fn is_in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    named: &'a dyn Fn(&str) -> Named,
}

impl Reader<'_> {
    fn sum(&mut self) -> Result<i64, Mistake> {
        let mut value = self.product()?;
        while let Some(sign @ ('+' | '-')) = self.peek() {
            let at = self.take();
            let other = self.product()?;
            let result = if sign == '+' { value.checked_add(other) } else { value.checked_sub(other) };
            value = result.ok_or(Mistake { what: What::TooLarge, at })?;
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<i64, Mistake> {
        let mut value = self.factor()?;
        while let Some(sign @ ('*' | '/')) = self.peek() {
            let at = self.take();
            let other = self.factor()?;
            let result = match sign {
                '*' => value.checked_mul(other).ok_or(What::TooLarge),
                _ if value.checked_rem(other) == Some(0) => Ok(value / other),
                _ => Err(What::NotAMultiple(value, other)),
            };
            value = result.map_err(|what| Mistake { what, at })?;
        }
        Ok(value)
    }

    fn factor(&mut self) -> Result<i64, Mistake> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return self.unexpected("expected fewer signs and parentheses in each other");
        }
        let value = match self.peek() {
            Some('-') => {
                let at = self.take();
                self.factor()?.checked_neg().ok_or(Mistake { what: What::TooLarge, at })
            }
            Some('(') => {
                self.take();
                let value = self.sum()?;
                match self.peek() {
                    Some(')') => self.take(),
                    _ => return self.unexpected("expected `)`"),
                };
                Ok(value)
            }
            Some('$') => self.name(),
            Some('0'..='9') => self.number(),
            _ => self.unexpected("expected a whole number, a `$name` or `(`"),
        };
        self.depth -= 1;
        value
    }

    fn number(&mut self) -> Result<i64, Mistake> {
        let (digits, at) = self.word(|c| c.is_ascii_digit());
        digits.parse().map_err(|_| Mistake { what: What::TooLarge, at })
    }

    fn name(&mut self) -> Result<i64, Mistake> {
        let start = self.take().start;
        let (name, at) = self.word(is_in_name);
        let at = start..at.end;
        match (self.named)(&name) {
            Named::Whole(value) => Ok(value),
            Named::Other => Err(Mistake { what: What::NotWhole(name), at }),
            Named::Nothing if name.is_empty() => Err(Mistake { what: What::Syntax("expected a name behind `$`"), at }),
            Named::Nothing => Err(Mistake { what: What::Unknown(name), at }),
        }
    }

    /// The characters from here on that are of a kind.
    fn word(&mut self, is_of_it: impl Fn(char) -> bool) -> (String, Span) {
        let rest = &self.text[self.at..];
        let word = &rest[..rest.find(|c| !is_of_it(c)).unwrap_or(rest.len())];
        let at = self.at..self.at + word.len();
        self.at = at.end;
        (word.to_string(), at)
    }

    /// The next character that is no blank.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches(' ').len();
        self.text[self.at..].chars().next()
    }

    /// Passes over the character that [`Self::peek`] has shown.
    fn take(&mut self) -> Span {
        let start = self.at;
        self.at += self.text[start..].chars().next().map_or(0, char::len_utf8);
        start..self.at
    }

    fn unexpected<T>(&mut self, expected: &'static str) -> Result<T, Mistake> {
        let start = self.at;
        let len = self.peek().map_or(0, char::len_utf8);
        Err(Mistake { what: What::Syntax(expected), at: start..self.at + len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<i64, Mistake> {
        evaluate(text, &|name| match name {
            "dim" => Named::Whole(128),
            "rate" => Named::Other,
            _ => Named::Nothing,
        })
    }

    #[test]
    fn values() {
        for (text, expected) in [
            ("$dim", 128),
            ("4 * $dim", 512),
            ("$dim*4-1", 511),
            ("2 - 3 - 4", -5),
            ("2 + 3 * 4", 14),
            ("(2 + 3) * 4", 20),
            ("$dim / 4 / 2", 16),
            ("--7", 7),
            (" - ( 1 ) ", -1),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn mistakes() {
        use What::*;
        for (text, at, what) in [
            ("", 0..0, Syntax("expected a whole number, a `$name` or `(`")),
            ("$", 0..1, Syntax("expected a name behind `$`")),
            ("2 $dim", 2..3, Syntax("expected `+`, `-`, `*`, `/` or the end")),
            ("(2", 2..2, Syntax("expected `)`")),
            ("2 * é", 4..6, Syntax("expected a whole number, a `$name` or `(`")),
            ("1.5 * $dim", 1..2, Syntax("expected `+`, `-`, `*`, `/` or the end")),
            ("2*$dims", 2..7, Unknown("dims".into())),
            ("2*$rate", 2..7, NotWhole("rate".into())),
            ("$dim / 3", 5..6, NotAMultiple(128, 3)),
            ("$dim / 0", 5..6, NotAMultiple(128, 0)),
            ("9223372036854775807 + 1", 20..21, TooLarge),
            ("9223372036854775808", 0..19, TooLarge),
            ("(0 - 9223372036854775807 - 1) / -1", 30..31, NotAMultiple(i64::MIN, -1)),
        ] {
            assert_eq!(value(text), Err(Mistake { what, at }), "{text}");
        }
        assert!(value(&"(".repeat(1_000_000)).is_err());
        assert_eq!(value(&format!("{}1{}", "(".repeat(31), ")".repeat(31))), Ok(1));
    }
}
