//! What the text forms share: tokens, a cursor over them, names, and the parse error; and how text of someone
//! else is quoted in messages.
//!
//! Tokens are words (`conv2d`, `conv1.kernel`, `-inf`), numbers (`-3`, `1e-7`), quoted strings with Rust's
//! escapes, ids of nodes (`%3`) and single characters. `;` starts a comment that goes to the end of the line.

use std::borrow::Cow;
use std::fmt;

/// Most characters of a name that a message shows.
pub const MAX_SHOWN_CHARS: usize = 60;

/// Most characters of the message of a [`ParseError`].
pub const MAX_MESSAGE_CHARS: usize = 500;

/// Most dimensions of a tensor in the text form and in graph files.
pub const MAX_RANK: usize = 16;

/// Largest text of a graph or loop program that is read, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 << 20;

/// Bytes of a file as text.
///
/// # Errors
/// If it is larger than [`MAX_TEXT_BYTES`], or where it stops being UTF-8.
pub fn utf8(bytes: &[u8]) -> Result<&str, ParseError> {
    if bytes.len() > MAX_TEXT_BYTES {
        return Err(ParseError::new(1, 1, &format!("expected a text of at most {MAX_TEXT_BYTES} bytes")));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let (before, rest) = bytes.split_at(error.valid_up_to());
        let before = String::from_utf8_lossy(before);
        let line = before.rsplit('\n').next().map_or(0, |line| line.chars().count());
        let message = format!("expected UTF-8, found the byte 0x{:02x}", rest[0]);
        ParseError::new(before.matches('\n').count() + 1, line + 1, &message)
    })
}

/// Whether a character changes what a terminal does or what a reader sees around it: control characters, marks of
/// the direction of writing, and the byte order mark.
pub fn is_hidden(c: char) -> bool {
    let is_mark = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}');
    c.is_control() || is_mark || c == '\u{feff}'
}

/// Text of a file for a terminal: hidden characters are written as escapes such as `\u{1b}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut result = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) { result.extend(c.escape_default()) } else { result.push(c) }
    }
    Cow::Owned(result)
}

/// A name for a message: [`visible`], and cut after [`MAX_SHOWN_CHARS`] characters.
pub fn shown(text: &str) -> Cow<'_, str> {
    cut(text, MAX_SHOWN_CHARS)
}

/// [`visible`] text of at most `max` characters of the original, then an ellipsis.
pub fn cut(text: &str, max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max) {
        Some((end, _)) => Cow::Owned(format!("{}…", visible(&text[..end]))),
        None => visible(text),
    }
}

/// Where a text stops being readable, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What was expected and what was found.
    pub message: String,
}

impl ParseError {
    /// An error at a place; the message is made fit for a terminal.
    pub fn new(line: usize, column: usize, message: &str) -> ParseError {
        ParseError { line, column, message: cut(message, MAX_MESSAGE_CHARS).into_owned() }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ParseError {}

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A bare word.
    Word(String),
    /// A number as written.
    Number(String),
    /// A quoted string, unescaped.
    Str(String),
    /// `%3`.
    Node(u32),
    /// Any other character.
    Punct(char),
    /// The end of the text.
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Word(text) | Token::Number(text) => write!(f, "`{}`", shown(text)),
            Token::Str(text) => write!(f, "\"{}\"", shown(text)),
            Token::Node(id) => write!(f, "`%{id}`"),
            Token::Punct(c) => write!(f, "`{}`", shown(c.encode_utf8(&mut [0; 4]))),
            Token::End => f.write_str("the end of the text"),
        }
    }
}

/// A position in a text, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// An error here.
    pub fn error(self, message: impl Into<String>) -> ParseError {
        ParseError::new(self.line, self.column, &message.into())
    }
}

/// Whether `text` reads back as one word.
pub fn is_word(text: &str) -> bool {
    text.starts_with(is_word_start) && text.chars().all(is_word_part)
}

fn is_word_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_word_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

/// Prints a name: bare if it is a word, quoted otherwise.
pub struct Name<'a>(pub &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_word(self.0) { f.write_str(self.0) } else { write!(f, "{:?}", self.0) }
    }
}

/// Tokens with the position of the next one.
#[derive(Clone, Debug)]
pub struct Cursor {
    tokens: Vec<(Token, Position)>,
    next: usize,
}

impl Cursor {
    /// Splits `text` into tokens.
    ///
    /// # Errors
    /// If a string is not closed, an escape unknown, or an id not a number.
    pub fn new(text: &str) -> Result<Cursor, ParseError> {
        let mut lexer = Lexer { rest: text.chars().peekable(), position: Position { line: 1, column: 1 } };
        let mut tokens = Vec::new();
        loop {
            lexer.skip_blanks();
            let position = lexer.position;
            let token = lexer.token()?;
            let end = token == Token::End;
            tokens.push((token, position));
            if end {
                return Ok(Cursor { tokens, next: 0 });
            }
        }
    }

    /// The next token.
    pub fn peek(&self) -> &Token {
        &self.tokens[self.next].0
    }

    /// The token after the next.
    pub fn peek_second(&self) -> &Token {
        &self.tokens[(self.next + 1).min(self.tokens.len() - 1)].0
    }

    /// Where the next token stands.
    pub fn position(&self) -> Position {
        self.tokens[self.next].1
    }

    /// Takes the next token; the end is never passed.
    pub fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    /// The error `expected ..., found <next token>`.
    pub fn expected(&self, what: &str) -> ParseError {
        self.position().error(format!("expected {what}, found {}", self.peek()))
    }

    /// Takes the next token if it is the character `c`.
    pub fn accept(&mut self, c: char) -> bool {
        let found = *self.peek() == Token::Punct(c);
        if found {
            self.take();
        }
        found
    }

    /// Takes the next token if it is the word `word`.
    pub fn accept_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(text) if text == word);
        if found {
            self.take();
        }
        found
    }

    /// Takes the character `c`.
    ///
    /// # Errors
    /// If something else stands there.
    pub fn expect(&mut self, c: char) -> Result<(), ParseError> {
        if self.accept(c) { Ok(()) } else { Err(self.expected(&format!("`{c}`"))) }
    }

    /// Takes the word `word`.
    ///
    /// # Errors
    /// If something else stands there.
    pub fn expect_word(&mut self, word: &str) -> Result<(), ParseError> {
        if self.accept_word(word) { Ok(()) } else { Err(self.expected(&format!("`{word}`"))) }
    }

    /// Takes any word; `what` says which.
    ///
    /// # Errors
    /// If something else stands there.
    pub fn word(&mut self, what: &str) -> Result<String, ParseError> {
        match self.peek() {
            Token::Word(_) => match self.take() {
                Token::Word(text) => Ok(text),
                token => unreachable!("peeked at a word, took {token}"),
            },
            _ => Err(self.expected(what)),
        }
    }

    /// Takes a name, bare or quoted.
    ///
    /// # Errors
    /// If something else stands there, or the name has [hidden](is_hidden) characters.
    pub fn name(&mut self, what: &str) -> Result<String, ParseError> {
        match self.peek() {
            Token::Str(text) if text.contains(is_hidden) => {
                Err(self.expected(&format!("{what}, without control characters")))
            }
            Token::Word(_) | Token::Str(_) => match self.take() {
                Token::Word(text) | Token::Str(text) => Ok(text),
                token => unreachable!("peeked at a name, took {token}"),
            },
            _ => Err(self.expected(what)),
        }
    }

    /// Takes an integer that fits `T`.
    ///
    /// # Errors
    /// If something else stands there, or it does not fit.
    pub fn integer<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, ParseError> {
        let value = match self.peek() {
            Token::Number(text) => text.parse().ok(),
            _ => None,
        };
        let value = value.ok_or_else(|| self.expected(what))?;
        self.take();
        Ok(value)
    }

    /// Reads `item` up to the character `close`, commas between; `close` is taken.
    ///
    /// # Errors
    /// Those of `item`, and if neither a comma nor `close` follows one.
    pub fn list<T>(
        &mut self,
        close: char,
        mut item: impl FnMut(&mut Cursor) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        let mut items = Vec::new();
        while !self.accept(close) {
            if !items.is_empty() && !self.accept(',') {
                return Err(self.expected(&format!("`,` or `{close}`")));
            }
            items.push(item(self)?);
        }
        Ok(items)
    }
}

struct Lexer<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    position: Position,
}

impl Lexer<'_> {
    fn bump(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\n' {
            self.position = Position { line: self.position.line + 1, column: 1 };
        } else {
            self.position.column += 1;
        }
        Some(c)
    }

    fn take_while(&mut self, text: &mut String, accept: impl Fn(char) -> bool) {
        while let Some(&c) = self.rest.peek().filter(|&&c| accept(c)) {
            text.push(c);
            self.bump();
        }
    }

    fn skip_blanks(&mut self) {
        while let Some(&c) = self.rest.peek() {
            match c {
                ';' => self.take_while(&mut String::new(), |c| c != '\n'),
                c if c.is_whitespace() => {
                    self.bump();
                }
                _ => return,
            }
        }
    }

    fn token(&mut self) -> Result<Token, ParseError> {
        let position = self.position;
        let Some(c) = self.bump() else { return Ok(Token::End) };
        let mut text = String::from(c);
        match c {
            '"' => self.string(position).map(Token::Str),
            '%' => {
                text.clear();
                self.take_while(&mut text, |c| c.is_ascii_digit());
                text.parse().map(Token::Node).map_err(|_| position.error("expected a node such as `%3`, found `%`"))
            }
            c if is_word_start(c) => {
                self.take_while(&mut text, is_word_part);
                Ok(Token::Word(text))
            }
            '-' if self.rest.peek().copied().is_some_and(is_word_start) => {
                self.take_while(&mut text, is_word_part);
                Ok(Token::Word(text))
            }
            '-' | '0'..='9' => {
                self.take_while(&mut text, |c| c.is_ascii_alphanumeric() || c == '.');
                if text.ends_with(['e', 'E']) && self.rest.peek().is_some_and(|&c| c == '-' || c == '+') {
                    text.extend(self.bump());
                    self.take_while(&mut text, |c| c.is_ascii_digit());
                }
                Ok(if text == "-" { Token::Punct('-') } else { Token::Number(text) })
            }
            c => Ok(Token::Punct(c)),
        }
    }

    /// The rest of a string after its opening quote.
    fn string(&mut self, start: Position) -> Result<String, ParseError> {
        let mut text = String::new();
        loop {
            let position = self.position;
            match self.bump() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape(position)?),
                Some(c) if c != '\n' => text.push(c),
                _ => return Err(start.error("this string is not closed on its line")),
            }
        }
    }

    fn escape(&mut self, position: Position) -> Result<char, ParseError> {
        match self.bump() {
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('0') => Ok('\0'),
            Some(c @ ('"' | '\\' | '\'')) => Ok(c),
            Some('u') => {
                let mut digits = String::new();
                self.take_while(&mut digits, |c| c.is_ascii_hexdigit() || c == '{');
                let code = digits.strip_prefix('{').and_then(|digits| u32::from_str_radix(digits, 16).ok());
                let c = code.and_then(char::from_u32).filter(|_| self.bump() == Some('}'));
                c.ok_or_else(|| position.error("expected an escape such as `\\u{1f}`"))
            }
            _ => Err(position.error("expected one of the escapes \\n \\r \\t \\0 \\\" \\' \\\\ \\u{...}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bare_or_quoted() {
        for (name, text) in [("conv1.kernel", "conv1.kernel"), ("", "\"\""), ("a b", "\"a b\""), ("1x", "\"1x\"")] {
            assert_eq!(Name(name).to_string(), text);
        }
    }

    #[test]
    fn strings_read_back() {
        for name in ["a\"b\\c", "line\nbreak\t\r\0", "ünïcode \u{301}\u{7f}\u{10ffff}", "'", "%3 ; no comment"] {
            let mut cursor = Cursor::new(&Name(name).to_string()).unwrap();
            assert_eq!(cursor.take(), Token::Str(name.to_string()));
            assert_eq!(cursor.take(), Token::End);
        }
    }

    #[test]
    fn names_have_no_control_characters() {
        let name = |text: &str| Cursor::new(text).unwrap().name("a name").map_err(|error| error.to_string());
        assert_eq!(name("\"ünïcode ß→ 名\""), Ok("ünïcode ß→ 名".into()));
        for escape in ["\\u{1b}", "\\n", "\\u{202e}", "\u{7f}", "\u{1b}"] {
            let error = name(&format!("\"a{escape}[31mb\"")).unwrap_err();
            assert!(
                error.starts_with("line 1, column 1: expected a name, without control characters, found "),
                "{error}"
            );
            assert!(!error.contains(is_hidden), "{error:?}");
        }
    }

    #[test]
    fn messages_are_visible_and_short() {
        assert_eq!(visible("a\u{1b}[31mb\u{202e}\n"), "a\\u{1b}[31mb\\u{202e}\\n");
        assert_eq!(shown("é"), "é");
        assert_eq!(shown(&"é".repeat(60)), "é".repeat(60));
        assert_eq!(shown(&"é".repeat(61)), format!("{}…", "é".repeat(60)));
        let error = Cursor::new(&"w".repeat(60_000)).unwrap().expected("a graph");
        assert_eq!(error.message, format!("expected a graph, found `{}…`", "w".repeat(60)));
        assert_eq!(ParseError::new(1, 1, &"x".repeat(60_000)).message.chars().count(), MAX_MESSAGE_CHARS + 1);
    }

    #[test]
    fn positions_count_characters() {
        let mut cursor = Cursor::new("ä ; comment\n  \"ö\" -3.5e-7 -inf").unwrap();
        let at: Vec<(usize, usize)> = (0..5)
            .map(|_| {
                let position = cursor.position();
                cursor.take();
                (position.line, position.column)
            })
            .collect();
        assert_eq!(at, [(1, 1), (2, 3), (2, 7), (2, 15), (2, 19)]);
    }

    #[test]
    fn errors_name_the_place() {
        let error = Cursor::new("graph \"x").unwrap_err();
        assert_eq!(error.to_string(), "line 1, column 7: this string is not closed on its line");
        assert!(Cursor::new("%x").is_err() && Cursor::new(r#""\q""#).is_err() && Cursor::new(r#""\u{d800}""#).is_err());
    }
}
