//! The text of a file, by lines and columns.

use std::ops::Range;

/// Bytes of the source text.
pub type Span = Range<usize>;

/// A text and where its lines begin.
#[derive(Clone, Debug)]
pub(crate) struct SourceText {
    text: String,
    line_starts: Vec<usize>,
}

impl SourceText {
    pub(crate) fn new(text: &str) -> SourceText {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        SourceText { text: text.to_string(), line_starts: std::iter::once(0).chain(starts).collect() }
    }

    /// Line of a byte, from 1.
    pub(crate) fn line(&self, byte: usize) -> usize {
        self.line_starts.partition_point(|&start| start <= byte)
    }

    /// Line and column of a byte, from 1; the column counts characters.
    pub(crate) fn line_column(&self, byte: usize) -> (usize, usize) {
        let line = self.line(byte);
        let end = self.text.floor_char_boundary(byte.min(self.text.len()));
        (line, self.text[self.line_starts[line - 1]..end].chars().count() + 1)
    }

    /// The text of a line, counted from 1, without its end.
    pub(crate) fn line_text(&self, line: usize) -> (usize, &str) {
        let start = self.line_starts[line - 1];
        let end = self.line_starts.get(line).map_or(self.text.len(), |next| next - 1);
        (start, self.text[start..end].trim_end_matches('\r'))
    }

    /// The part of `span` that is shown: its first line, and at least one character if there is one.
    pub(crate) fn inside(&self, span: &Span) -> Span {
        let start = self.text.floor_char_boundary(span.start.min(self.text.len()));
        let end = self.text.ceil_char_boundary(span.end.clamp(start, self.text.len()));
        let (line_start, line) = self.line_text(self.line(start));
        let line_end = line_start + line.len();
        let one = self.text[start..].chars().next().filter(|_| start < line_end).map_or(0, char::len_utf8);
        start..end.min(line_end.max(start)).max(start + one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns() {
        let source = SourceText::new("aé\r\n\nb");
        let at: Vec<(usize, usize)> = [0, 1, 3, 4, 5, 6, 7, 99].map(|byte| source.line_column(byte)).into();
        assert_eq!(at, [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (3, 1), (3, 2), (3, 2)]);
        assert_eq!(source.line_text(1), (0, "aé"));
        assert_eq!(source.line_text(3), (6, "b"));
    }
}
