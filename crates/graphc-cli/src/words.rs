//! Texts for people: what a terminal may be shown, lines, numbers.
//!
//! Names and paths come from files: what a terminal would obey in them is shown as `\u001b`, which JSON reads as the
//! same name.

use std::borrow::Cow;

/// Control characters other than newlines and tabs as their escapes.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(is_harmful) {
        return text.into();
    }
    let escaped = |c: char| if is_harmful(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    text.chars().map(escaped).collect::<String>().into()
}

/// Text with line breaks in place of blanks, so that lines have at most so many characters if their words allow it;
/// lines but the first are indented.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    const INDENT: &str = "  ";
    let (mut result, mut at) = (String::new(), 0);
    for word in text.split(' ') {
        let n_chars = word.chars().count();
        if at > INDENT.len() && at + 1 + n_chars > width {
            result.push_str(&format!("\n{INDENT}"));
            at = INDENT.len();
        } else if at > 0 {
            result.push(' ');
            at += 1;
        }
        result.push_str(word);
        at += n_chars;
    }
    result
}

/// `12345` as `12,345`.
pub(crate) fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 thread`, `2 threads`.
pub(crate) fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::{grouped, printable, wrapped};

    #[test]
    fn thousands() {
        assert_eq!([0, 999, 1000, 45_418, 1_234_567].map(grouped), ["0", "999", "1,000", "45,418", "1,234,567"]);
    }

    #[test]
    fn lines_end_between_words() {
        assert_eq!(wrapped("one two three", 13), "one two three");
        assert_eq!(wrapped("one two three", 12), "one two\n  three");
        assert_eq!(wrapped("one two three", 3), "one\n  two\n  three");
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(printable("a\tb\n"), "a\tb\n");
        assert_eq!(printable("\u{1b}[31mred\r\u{7f}\u{9b}é"), r"\u001b[31mred\u000d\u007f\u009bé");
        let name = "\u{9b}2J";
        let json = printable(&serde_json::json!(name).to_string()).into_owned();
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), name);
    }
}
