//! Strict JSON (RFC 8259) with the place of every value.
//!
//! What editors and other tools would refuse is refused here, so that a file means the same everywhere: no comments, no
//! trailing commas, no raw control characters in strings, no field twice. The crates that keep places are lenient in
//! some of this, so the parser is our own; `serde_json` judges it in the tests.

use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::limits::{MAX_NESTING, MAX_VALUES};
use graphc_ir::text::shown;

/// A value of type `T` and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// A JSON value and where it stands.
pub(crate) type Json = Spanned<JsonValue>;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum JsonValue {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<Member>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) key: Spanned<String>,
    pub(crate) value: Json,
}

impl Json {
    /// The value of a member, if it is an object that has it.
    pub(crate) fn member(&self, name: &str) -> Option<&Json> {
        match &self.value {
            JsonValue::Object(members) => {
                members.iter().find(|member| member.key.value == name).map(|member| &member.value)
            }
            _ => None,
        }
    }
}

impl JsonValue {
    /// What kind of value this is, with an article.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            JsonValue::Null => "null",
            JsonValue::Bool(_) => "a boolean",
            JsonValue::Number(_) => "a number",
            JsonValue::String(_) => "a string",
            JsonValue::Array(_) => "a list",
            JsonValue::Object(_) => "an object",
        }
    }
}

/// Parses the whole text; `None` if it is not JSON, which has then been reported.
pub(crate) fn parse(text: &str, diagnostics: &mut Diagnostics) -> Option<Json> {
    let mut parser = Parser { text, at: 0, depth: 0, n_values: 0, diagnostics };
    parser.skip_blanks();
    if parser.at == text.len() {
        diagnostics.push(Diagnostic::new("the file is empty", 0..0, "expected a JSON object"));
        return None;
    }
    match parser.document() {
        Ok(json) => Some(json),
        Err(error) => {
            diagnostics.push(*error);
            None
        }
    }
}

/// A part of the text, or why the text is no JSON. Boxed, as it is rare and large.
type Parsed<T> = Result<T, Box<Diagnostic>>;

struct Parser<'a, 'd> {
    text: &'a str,
    at: usize,
    depth: usize,
    n_values: usize,
    /// For fields that stand twice, after which reading goes on.
    diagnostics: &'d mut Diagnostics,
}

impl<'a> Parser<'a, '_> {
    fn document(&mut self) -> Parsed<Json> {
        let json = self.value()?;
        self.skip_blanks();
        if self.at < self.text.len() {
            return self.unexpected("expected the end of the file");
        }
        Ok(json)
    }

    fn value(&mut self) -> Parsed<Json> {
        self.n_values += 1;
        if self.n_values > MAX_VALUES {
            return self.too_much(self.at..self.at + 1, format!("expected at most {MAX_VALUES} JSON values"));
        }
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => JsonValue::Object(self.object()?),
            Some(b'[') => JsonValue::Array(self.array()?),
            Some(b'"') => JsonValue::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => JsonValue::Number(self.number()?),
            _ => self.literal()?,
        };
        Ok(Spanned { value, span: start..self.at })
    }

    /// `null`, `true` or `false`.
    fn literal(&mut self) -> Parsed<JsonValue> {
        let word = self.word();
        let value = match word {
            "null" => JsonValue::Null,
            "true" => JsonValue::Bool(true),
            "false" => JsonValue::Bool(false),
            "NaN" | "Infinity" => return self.refuse(word.len(), "JSON has no infinite numbers and no NaN"),
            "" => return self.unexpected("expected a value"),
            _ => return self.refuse(word.len(), "expected a value; text stands in double quotes"),
        };
        self.at += word.len();
        Ok(value)
    }

    fn array(&mut self) -> Parsed<Vec<Json>> {
        let mut items = Vec::new();
        self.list("list", b']', |parser| {
            items.push(parser.value()?);
            Ok(())
        })?;
        Ok(items)
    }

    fn object(&mut self) -> Parsed<Vec<Member>> {
        let mut members = Vec::new();
        self.list("object", b'}', |parser| {
            if parser.peek() != Some(b'"') {
                let label = "expected the name of a field in double quotes";
                return match parser.word().len() {
                    0 => parser.unexpected(label),
                    len => parser.refuse(len, label),
                };
            }
            let start = parser.at;
            let key = Spanned { value: parser.string()?, span: start..parser.at };
            parser.skip_blanks();
            if parser.peek() != Some(b':') {
                return parser.unexpected("expected `:` after the name of a field");
            }
            parser.at += 1;
            parser.skip_blanks();
            members.push(Member { key, value: parser.value()? });
            Ok(())
        })?;
        Ok(self.unique(members))
    }

    /// Items up to the closing bracket, commas between.
    fn list(&mut self, what: &str, close: u8, mut item: impl FnMut(&mut Self) -> Parsed<()>) -> Parsed<()> {
        let open = self.at;
        if self.depth == MAX_NESTING {
            let label = format!("expected at most {MAX_NESTING} lists and objects in each other");
            return self.too_much(open..open + 1, label);
        }
        self.depth += 1;
        self.at += 1;
        self.skip_blanks();
        let mut comma = None;
        while self.peek().is_some_and(|c| c != close) {
            item(self)?;
            self.skip_blanks();
            comma = None;
            match self.peek() {
                Some(b',') => comma = Some(self.at),
                Some(c) if c == close => break,
                None => break,
                _ => return self.unexpected(&format!("expected `,` or `{}`", char::from(close))),
            }
            self.at += 1;
            self.skip_blanks();
        }
        match (self.peek(), comma) {
            (None, _) => Err(not_json(open..open + 1, format!("this {what} is not closed"))),
            (_, Some(comma)) => Err(not_json(comma..comma + 1, "trailing commas are not allowed")),
            _ => {
                self.depth -= 1;
                self.at += 1;
                Ok(())
            }
        }
    }

    /// Keeps the first of several members of the same name and reports the others.
    fn unique(&mut self, members: Vec<Member>) -> Vec<Member> {
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by_key(|&member| &members[member].key.value);
        let mut first_of: Vec<usize> = (0..members.len()).collect();
        for pair in order.windows(2) {
            if members[pair[0]].key.value == members[pair[1]].key.value {
                first_of[pair[1]] = first_of[pair[0]];
            }
        }
        for (member, &first) in first_of.iter().enumerate().filter(|(member, first)| *member != **first) {
            let key = &members[member].key;
            let message = format!("the field `{}` stands twice", shown(&key.value));
            let diagnostic = Diagnostic::new(message, key.span.clone(), "again here");
            self.diagnostics.push(diagnostic.note(members[first].key.span.clone(), "first here"));
        }
        let kept = members.into_iter().enumerate().filter(|(member, _)| first_of[*member] == *member);
        kept.map(|(_, member)| member).collect()
    }

    fn number(&mut self) -> Parsed<String> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.word() == "Infinity" {
            return Err(not_json(start..self.at + 8, "JSON has no infinite numbers and no NaN"));
        }
        let zero = self.peek() == Some(b'0');
        let n_digits = self.digits("expected a digit")?;
        if zero && n_digits > 1 {
            return Err(not_json(start..self.at, "a number has no leading zeros"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("expected a digit behind the point")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits("expected a digit of the exponent")?;
        }
        if self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || b"._+-".contains(&c)) {
            return self.unexpected("expected the end of the number");
        }
        Ok(self.text[start..self.at].to_string())
    }

    /// Passes digits, at least one; gives their number.
    fn digits(&mut self, label: &str) -> Parsed<usize> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { self.unexpected(label) } else { Ok(self.at - start) }
    }

    fn string(&mut self) -> Parsed<String> {
        let open = self.at;
        self.at += 1;
        let mut value = String::new();
        loop {
            let rest = &self.text[self.at..];
            let len = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            value.push_str(&rest[..len]);
            self.at += len;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(value);
                }
                Some(b'\\') => value.push(self.escape()?),
                None | Some(b'\n' | b'\r') => {
                    return Err(not_json(open..self.at, "this string is not closed on its line"));
                }
                Some(c) => {
                    let label = format!("a control character is written as an escape, here \\u{c:04x}");
                    return self.refuse(1, &label);
                }
            }
        }
    }

    /// The character that an escape stands for.
    fn escape(&mut self) -> Parsed<char> {
        let start = self.at;
        let c = match self.text.as_bytes().get(start + 1) {
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(&c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'u') => return self.unicode_escape(),
            _ => {
                let len = 1 + self.text[start + 1..].chars().next().filter(|&c| c >= ' ').map_or(0, char::len_utf8);
                return self.refuse(len, r#"expected one of the escapes \" \\ \/ \b \f \n \r \t \uXXXX"#);
            }
        };
        self.at += 2;
        Ok(c)
    }

    /// `\uXXXX`, or two of them that are one character together.
    fn unicode_escape(&mut self) -> Parsed<char> {
        let start = self.at;
        let unit = |at: usize| {
            let digits = self.text.get(at..at + 6)?.strip_prefix("\\u")?;
            digits.bytes().all(|c| c.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
        };
        let Some(first) = unit(start) else { return self.refuse(2, "expected four hexadecimal digits behind `\\u`") };
        let second = unit(start + 6).filter(|second| (0xdc00..0xe000).contains(second));
        let (code, len) = match (first, second) {
            (0xd800..0xdc00, Some(second)) => (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12),
            _ => (first, 6),
        };
        let Some(c) = char::from_u32(code) else {
            return self.refuse(6, "half of a surrogate pair is no character");
        };
        self.at += len;
        Ok(c)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The letters and digits here.
    fn word(&self) -> &'a str {
        let rest = &self.text[self.at..];
        &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())]
    }

    /// The text stops being JSON at the next character.
    fn unexpected<T>(&self, label: &str) -> Parsed<T> {
        let rest = &self.text[self.at..];
        let comment = match rest.get(..2) {
            Some("//") => rest.find('\n').or(Some(rest.len())),
            Some("/*") => rest.find("*/").map(|end| end + 2).or(Some(2)),
            _ => None,
        };
        if let Some(len) = comment {
            return self.refuse(len, "comments are not allowed");
        }
        let Some(c) = rest.chars().next() else { return self.refuse(0, label) };
        let label = match c {
            '\'' => "strings stand in double quotes".to_string(),
            c if c.is_ascii_graphic() => label.to_string(),
            c => format!("{label}, found U+{:04X}", u32::from(c)),
        };
        self.refuse(c.len_utf8(), &label)
    }

    /// The next `len` bytes are wrong.
    fn refuse<T>(&self, len: usize, label: &str) -> Parsed<T> {
        Err(not_json(self.at..self.at + len, label))
    }

    fn too_much<T>(&self, span: Span, label: String) -> Parsed<T> {
        Err(Box::new(Diagnostic::new("this is more than a graph file may hold", span, label)))
    }
}

fn not_json(span: Span, label: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::new("this is not JSON", span, label))
}

#[cfg(test)]
mod tests;
