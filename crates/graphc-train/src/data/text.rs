//! Text in files: UTF-8, of which characters or bytes become numbers.
//!
//! Files of a part stand one behind the other, as one text. What follows the last character of the training part
//! validates: windows of the one never reach into the other.

use super::table::Unknown;
use crate::error::{TrainError, printable};
use crate::gzip::maybe_gzip;
use crate::reading::open_regular;
use graphc_driver::Available;
use std::io::{BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::from_utf8;
use std::sync::Arc;

/// Text, and what becomes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// The files, which may be compressed with gzip.
    pub files: Vec<PathBuf>,
    /// What is numbered.
    pub level: TextLevel,
    /// What a character is that the training part does not have.
    pub unknown: Unknown,
    /// From the start of one window to that of the next; drawn windows, if not said.
    pub stride: Option<usize>,
    /// Which part of the files it is.
    pub part: TextPart,
}

/// What of a text is numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextLevel {
    /// Unicode's, in the order of their code points.
    Characters,
    /// Bytes are numbers.
    Bytes,
}

/// A part of a text; shares are of its characters or bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TextPart {
    /// All of it.
    Whole,
    /// Without that share at its end.
    Without(f64),
    /// That share at its end.
    Last(f64),
}

/// A part of what stands in the files.
#[derive(Clone, Debug)]
pub(crate) struct RawText {
    all: Arc<All>,
    level: TextLevel,
    /// Of its bytes.
    range: Range<usize>,
}

#[derive(Debug)]
struct All {
    /// UTF-8, where characters are numbered.
    bytes: Vec<u8>,
    /// Where each file begins.
    files: Vec<(usize, PathBuf)>,
}

/// Where something stands.
pub(crate) struct Place<'a> {
    pub(crate) path: &'a Path,
    /// From 1, as `column`, which counts what is numbered.
    line: usize,
    column: usize,
}

impl RawText {
    /// Reads files.
    pub(crate) fn read(text: &Text) -> Result<RawText, TrainError> {
        let mut all = All { bytes: Vec::new(), files: Vec::new() };
        // What is read becomes numbers beside it.
        let most = Available::now().map_or(u64::MAX, |available| available.bytes / 2);
        for path in &text.files {
            all.files.push((all.bytes.len(), path.clone()));
            all.read(path, text.level, most)?;
        }
        let range = 0..all.bytes.len();
        let whole = RawText { all: Arc::new(all), level: text.level, range };
        Ok(match text.part {
            TextPart::Whole => whole,
            TextPart::Without(share) => whole.split(share).0,
            TextPart::Last(share) => whole.split(share).1,
        })
    }

    /// What stands in front of that share at the end, and that.
    pub(crate) fn split(&self, share: f64) -> (RawText, RawText) {
        let n = (self.n_units() as f64 * (1.0 - share)).floor() as usize;
        let at = self.byte_of(n);
        let part = |range| RawText { range, ..self.clone() };
        (part(self.range.start..at), part(at..self.range.end))
    }

    /// The first so many units.
    pub(crate) fn first(&self, n_units: usize) -> RawText {
        RawText { range: self.range.start..self.byte_of(n_units), ..self.clone() }
    }

    /// What is numbered.
    pub(crate) fn level(&self) -> TextLevel {
        self.level
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.all.bytes[self.range.clone()]
    }

    /// Its characters, if these are numbered.
    pub(crate) fn characters(&self) -> &str {
        from_utf8(self.bytes()).expect("it was looked at when it was read, and is cut between characters")
    }

    /// Number of characters or bytes.
    pub(crate) fn n_units(&self) -> usize {
        match self.level {
            TextLevel::Bytes => self.range.len(),
            TextLevel::Characters => self.bytes().iter().filter(|&&byte| begins_character(byte)).count(),
        }
    }

    /// Where unit number `n` begins, among all bytes; the end if there are not as many.
    fn byte_of(&self, n: usize) -> usize {
        let bytes = self.bytes();
        let at = match self.level {
            TextLevel::Bytes => Some(n),
            TextLevel::Characters => {
                (bytes.iter().enumerate().filter(|(_, byte)| begins_character(**byte))).nth(n).map(|(at, _)| at)
            }
        };
        self.range.start + at.unwrap_or(bytes.len()).min(bytes.len())
    }

    /// Where a byte of it stands.
    pub(crate) fn place(&self, byte: usize) -> Place<'_> {
        self.all.place(self.range.start + byte, self.level)
    }

    /// The file that it begins in.
    pub(crate) fn path(&self) -> &Path {
        self.place(0).path
    }

    pub(crate) fn error(&self, message: impl Into<String>) -> TrainError {
        TrainError::file(self.path(), message)
    }
}

impl All {
    /// Appends a file.
    fn read(&mut self, path: &Path, level: TextLevel, most: u64) -> Result<(), TrainError> {
        const ACTION: &str = "read the text";
        let io_error = |error| TrainError::io(path, ACTION, &error);
        let (file, _) = open_regular(path, ACTION)?;
        let first = self.bytes.len();
        let rest = most.saturating_sub(first as u64);
        let source = maybe_gzip(Box::new(BufReader::with_capacity(1 << 16, file))).map_err(io_error)?;
        source.take(rest.saturating_add(1)).read_to_end(&mut self.bytes).map_err(io_error)?;
        if (self.bytes.len() - first) as u64 > rest {
            return Err(TrainError::file(path, "the text takes more than half of the memory there is"));
        }
        if level == TextLevel::Characters {
            if let Err(error) = from_utf8(&self.bytes[first..]) {
                let at = first + error.valid_up_to();
                let place = self.place(at, TextLevel::Bytes).text();
                let message =
                    format!("{place}: the byte 0x{:02x} is no UTF-8; `\"level\": \"bytes\"` takes any", self.bytes[at]);
                return Err(TrainError::file(path, message));
            }
            // A byte order mark is no character of the text.
            if self.bytes[first..].starts_with("\u{feff}".as_bytes()) {
                self.bytes.drain(first..first + '\u{feff}'.len_utf8());
            }
        }
        Ok(())
    }

    fn place(&self, byte: usize, level: TextLevel) -> Place<'_> {
        let file = self.files.iter().rev().find(|(first, _)| *first <= byte);
        let (first, path) = file.expect("the first file begins with the first byte");
        let before = &self.bytes[*first..byte];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let is_unit = |byte: &&u8| level == TextLevel::Bytes || begins_character(**byte);
        let column = 1 + before[start..].iter().filter(is_unit).count();
        Place { path, line, column }
    }
}

impl Place<'_> {
    /// `line 3, column 5`.
    pub(crate) fn text(&self) -> String {
        format!("line {}, column {}", self.line, self.column)
    }
}

/// `'é' (U+00E9)`.
pub(crate) fn character_text(character: char) -> String {
    format!("'{}' (U+{:04X})", printable(&character.to_string()), u32::from(character))
}

/// Whether a character of UTF-8 begins with a byte.
fn begins_character(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use tempfile::TempDir;

    /// Files of that content in a folder.
    pub(crate) fn files(contents: &[&[u8]]) -> (TempDir, Text) {
        let folder = tempfile::tempdir().unwrap();
        let path = |at: usize| folder.path().join(format!("{at}.txt"));
        contents.iter().enumerate().for_each(|(at, content)| std::fs::write(path(at), content).unwrap());
        let files = (0..contents.len()).map(path).collect();
        let (level, unknown, part) = (TextLevel::Characters, Unknown::Refuse, TextPart::Whole);
        (folder, Text { files, level, unknown, stride: None, part })
    }

    #[test]
    fn files_are_one_text() {
        let (_folder, text) = files(&["\u{feff}aä\nb".as_bytes(), "ößc".as_bytes()]);
        let raw = RawText::read(&text).unwrap();
        assert_eq!((raw.characters(), raw.n_units()), ("aä\nbößc", 7));
        let (front, back) = raw.split(0.45);
        assert_eq!((front.characters(), back.characters()), ("aä\n", "bößc"));
        assert_eq!(back.first(2).characters(), "bö");
        assert_eq!(back.first(20).characters(), "bößc");
        assert_eq!(back.place(0).text(), "line 2, column 1");
        assert!(back.place(0).path.ends_with("0.txt"));
        assert_eq!(back.place("bö".len()).text(), "line 1, column 2");
        assert!(back.place("bö".len()).path.ends_with("1.txt"));
        let part = |part| RawText::read(&Text { part, ..text.clone() }).unwrap().characters().to_string();
        assert_eq!((part(TextPart::Without(0.45)), part(TextPart::Last(0.45))), ("aä\n".into(), "bößc".into()));
        let bytes = RawText::read(&Text { level: TextLevel::Bytes, ..text }).unwrap();
        assert_eq!((bytes.n_units(), bytes.split(0.5).0.bytes().len()), (13, 6));
    }

    #[test]
    fn compressed_or_not() {
        use crate::data::array::idx::tests::gzip;
        let (_folder, text) = files(&[&gzip("Zoë".as_bytes())]);
        assert_eq!(RawText::read(&text).unwrap().characters(), "Zoë");
    }

    #[test]
    fn what_is_no_text_is_told() {
        let (_folder, text) = files(&[b"ab\nc\xffd"]);
        let message = RawText::read(&text).unwrap_err().to_string();
        let expected = "0.txt: line 2, column 2: the byte 0xff is no UTF-8; `\"level\": \"bytes\"` takes any";
        assert!(message.ends_with(expected), "{message}");
        let missing = Text { files: vec!["missing.txt".into()], ..text };
        let message = RawText::read(&missing).unwrap_err().to_string();
        assert!(message.starts_with("missing.txt: cannot read the text: "), "{message}");
    }
}
