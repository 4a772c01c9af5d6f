//! Tokens of the text form of programs.

use crate::text::{ParseError, is_hidden, shown};

/// A token and where it starts.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'a> {
    /// Letters, digits and underscores, starting with a letter.
    Word(&'a str),
    /// Starts with a digit: `12`, `0.5`, `1e-7`, `0x7fc00000`.
    Number(&'a str),
    /// A quoted string without its escapes.
    Quoted(String),
    /// `..`, `->` or one character.
    Symbol(&'a str),
    /// The end of the text.
    End,
}

impl Kind<'_> {
    /// How messages name the token.
    pub(super) fn describe(&self) -> String {
        match self {
            Kind::Word(text) | Kind::Number(text) | Kind::Symbol(text) => format!("`{}`", shown(text)),
            Kind::Quoted(text) => format!("\"{}\"", shown(text)),
            Kind::End => "the end of the text".to_owned(),
        }
    }
}

const SYMBOLS: [&str; 17] = ["..", "->", "{", "}", "[", "]", "(", ")", "=", ":", ",", "@", "+", "-", "*", "/", "%"];

/// Splits text into tokens, the last of which is `End`. `;` starts a comment.
pub(super) fn lex(text: &str) -> Result<Vec<Token<'_>>, ParseError> {
    let mut tokens = Vec::new();
    let mut lines = 0;
    for (number, line) in text.split('\n').enumerate() {
        lines = number + 1;
        lex_line(line, lines, &mut tokens)?;
    }
    tokens.push(Token { kind: Kind::End, line: lines, column: 1 + text.rsplit('\n').next().map_or(0, char_count) });
    Ok(tokens)
}

fn char_count(text: &str) -> usize {
    text.chars().count()
}

fn lex_line<'a>(text: &'a str, line: usize, tokens: &mut Vec<Token<'a>>) -> Result<(), ParseError> {
    let mut rest = text;
    let mut column = 1;
    loop {
        let blanks = rest.len() - rest.trim_start().len();
        column += char_count(&rest[..blanks]);
        rest = &rest[blanks..];
        let error = |message: String| ParseError::new(line, column, &message);
        let Some(first) = rest.chars().next().filter(|&c| c != ';') else { return Ok(()) };
        let (kind, len) = if first.is_ascii_alphabetic() {
            let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            (Kind::Word(&rest[..len]), len)
        } else if first.is_ascii_digit() {
            let len = number_len(rest.as_bytes());
            (Kind::Number(&rest[..len]), len)
        } else if first == '"' {
            let (name, len) = quoted(rest).map_err(error)?;
            (Kind::Quoted(name), len)
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            (Kind::Symbol(symbol), symbol.len())
        } else {
            return Err(error(format!("unexpected character {first:?}")));
        };
        tokens.push(Token { kind, line, column });
        column += char_count(&rest[..len]);
        rest = &rest[len..];
    }
}

/// Length of a number: a dot belongs to it only before a digit, so that `0..4` is a range.
fn number_len(text: &[u8]) -> usize {
    let digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    let mut at = 0;
    if text.starts_with(b"0x") {
        return 2 + text[2..].iter().take_while(|c| c.is_ascii_hexdigit()).count();
    }
    while digit(at) {
        at += 1;
    }
    if text.get(at) == Some(&b'.') && digit(at + 1) {
        at += 1;
        while digit(at) {
            at += 1;
        }
    }
    if text.get(at) == Some(&b'e') {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        if digit(at + 1 + sign) {
            at += 1 + sign;
            while digit(at) {
                at += 1;
            }
        }
    }
    at
}

/// The string that starts `text`, and the length of its quoted form.
fn quoted(text: &str) -> Result<(String, usize), String> {
    let mut name = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' if name.contains(is_hidden) => {
                return Err(format!("the name \"{}\" has control characters", shown(&name)));
            }
            '"' => return Ok((name, at + 1)),
            '\\' => match chars.next() {
                Some((_, c @ ('"' | '\\'))) => name.push(c),
                Some((_, 'u')) => {
                    let digits: String = chars.by_ref().map(|(_, c)| c).take_while(|&c| c != '}').collect();
                    let code = digits.strip_prefix('{').and_then(|digits| u32::from_str_radix(digits, 16).ok());
                    name.push(code.and_then(char::from_u32).ok_or("a malformed \\u{…} in a name")?);
                }
                _ => return Err("a name knows only the escapes \\\", \\\\ and \\u{…}".to_owned()),
            },
            c => name.push(c),
        }
    }
    Err("a name without its closing quote".to_owned())
}
