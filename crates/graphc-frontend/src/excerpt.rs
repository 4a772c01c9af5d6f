//! Excerpts of a graph file around what a message points at: a few lines, long ones cut, hidden characters as escapes.

use crate::limits::MAX_CONTEXT_CHARS;
use crate::source_text::{SourceText, Span};
use annotate_snippets::{Annotation, AnnotationKind, Snippet};
use graphc_ir::text::{is_hidden, visible};

/// A place that a message points at.
#[derive(Clone, Debug)]
pub(crate) struct Mark<'a> {
    /// Within one line.
    pub(crate) span: Span,
    pub(crate) label: &'a str,
    /// Whether it is the mistake itself.
    pub(crate) primary: bool,
}

/// Places at most this many lines apart share an excerpt.
const MAX_APART: usize = 100;

/// Excerpts with what they say of their places.
#[derive(Debug, Default)]
pub(crate) struct Excerpts<'a> {
    pub(crate) snippets: Vec<Snippet<'a, Annotation<'a>>>,
    /// Places as the renderer will give them, in the excerpt, and as they are, in the file.
    pub(crate) places: Vec<[String; 2]>,
}

/// One excerpt for the first mark and every mark near it, then one for those that are far away.
pub(crate) fn excerpts<'a>(source: &SourceText, path: &str, marks: &[Mark<'_>]) -> Excerpts<'a> {
    let mut result = Excerpts::default();
    let mut left: Vec<&Mark<'_>> = marks.iter().collect();
    while let Some(&first) = left.first() {
        let at = source.line(first.span.start);
        let (near, far) = left.into_iter().partition(|mark| source.line(mark.span.start).abs_diff(at) <= MAX_APART);
        left = far;
        result.add(source, path, &near);
    }
    result
}

impl Excerpts<'_> {
    fn add(&mut self, source: &SourceText, path: &str, marks: &[&Mark<'_>]) {
        let lines = || marks.iter().map(|mark| source.line(mark.span.start));
        let (first, last) = (lines().min().unwrap_or(1), lines().max().unwrap_or(1));
        let mut text = String::new();
        let mut annotations = Vec::new();
        for number in first..=last {
            let (start, line) = source.line_text(number);
            let line_start = text.len();
            let here: Vec<&&Mark<'_>> = marks.iter().filter(|mark| source.line(mark.span.start) == number).collect();
            let inside = |at: usize| at.saturating_sub(start).min(line.len());
            let spans: Vec<Span> = here.iter().map(|mark| inside(mark.span.start)..inside(mark.span.end)).collect();
            for (span, mark) in push_line(&mut text, line, &spans).into_iter().zip(here) {
                let shown = text[line_start..span.start].chars().count() + 1;
                let column = source.line_column(mark.span.start).1;
                if shown != column {
                    self.places.push([shown, column].map(|column| format!("{path}:{number}:{column}\n")));
                }
                let kind = if mark.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
                annotations.push((mark.primary, kind.span(span).label(visible(mark.label).into_owned())));
            }
            text.push('\n');
        }
        // The end of the text is no line of its own.
        text.pop();
        annotations.sort_by_key(|(primary, _)| !primary);
        let annotations = annotations.into_iter().map(|(_, annotation)| annotation);
        self.snippets.push(Snippet::source(text).line_start(first).path(path.to_string()).annotations(annotations));
    }
}

/// Appends what is shown of a line, and gives the places in the result.
fn push_line(text: &mut String, line: &str, places: &[Span]) -> Vec<Span> {
    let mut result: Vec<Span> = vec![text.len()..text.len(); places.len()];
    let mut cut_at = 0;
    for window in windows(line, places) {
        if window.start > cut_at {
            text.push('…');
        }
        for (offset, c) in line[window.clone()].char_indices().chain([(window.len(), '\0')]) {
            let at = window.start + offset;
            for (place, result) in places.iter().zip(&mut result) {
                if place.start == at {
                    result.start = text.len();
                }
                // The rest of a long place is cut away; what is shown of it ends with the window.
                if place.end == at || (at == window.end && (window.start..at).contains(&place.start) && place.end > at)
                {
                    result.end = text.len();
                }
            }
            match c {
                _ if offset == window.len() => {}
                '\t' => text.push(c),
                c if is_hidden(c) => text.push_str(&visible(c.encode_utf8(&mut [0; 4]))),
                c => text.push(c),
            }
        }
        cut_at = window.end;
    }
    if cut_at < line.len() {
        text.push('…');
    }
    result
}

/// The parts of a line that are shown, in order and apart: all of a short one; of a long one the surroundings of the
/// places, or its beginning.
fn windows(line: &str, places: &[Span]) -> Vec<Span> {
    // A line with all that is shown around one place is not cut.
    if line.len() <= 3 * MAX_CONTEXT_CHARS {
        return Vec::from([Span { start: 0, end: line.len() }]);
    }
    if places.is_empty() {
        return Vec::from([Span { start: 0, end: line.floor_char_boundary(2 * MAX_CONTEXT_CHARS) }]);
    }
    let around = |place: &Span| {
        let behind = if place.len() > MAX_CONTEXT_CHARS { place.start } else { place.end };
        let end = behind + MAX_CONTEXT_CHARS;
        line.floor_char_boundary(place.start.saturating_sub(MAX_CONTEXT_CHARS))..line.floor_char_boundary(end)
    };
    let mut windows: Vec<Span> = places.iter().map(around).collect();
    windows.sort_by_key(|window| window.start);
    let mut merged: Vec<Span> = Vec::new();
    for window in windows {
        match merged.last_mut() {
            Some(last) if window.start <= last.end => last.end = last.end.max(window.end),
            _ => merged.push(window),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, places: &[Span]) -> (String, Vec<String>) {
        let mut text = String::from("before\n");
        let result = push_line(&mut text, line, places);
        let parts = result.into_iter().map(|place| text[place].to_string()).collect();
        (text.split_off(7), parts)
    }

    #[test]
    fn short_lines_are_whole() {
        assert_eq!(shown("one two", &[4..7, 0..0]), ("one two".into(), vec!["two".into(), String::new()]));
        assert_eq!(shown("", &[Span { start: 0, end: 0 }]), (String::new(), vec![String::new()]));
        assert_eq!(shown("é", &[Span { start: 2, end: 2 }]), ("é".into(), vec![String::new()]));
    }

    #[test]
    fn hidden_characters_are_escapes() {
        let (text, parts) = shown("a\u{1b}[1m\tb\u{202e}", &[0..3, 7..10]);
        assert_eq!(text, "a\\u{1b}[1m\tb\\u{202e}");
        assert_eq!(parts, ["a\\u{1b}[", "\\u{202e}"]);
    }

    #[test]
    fn long_lines_are_cut_around_the_places() {
        let line = format!("{}first{}second{}", "a".repeat(1000), "b".repeat(1000), "c".repeat(1000));
        let (text, parts) = shown(&line, &[2005..2011, 1000..1005]);
        let (a, b, c) = ("a".repeat(60), "b".repeat(60), "c".repeat(60));
        assert_eq!(text, format!("…{a}first{b}…{b}second{c}…"));
        assert_eq!(parts, ["second", "first"]);
        let line = "é".repeat(60_000);
        let (text, parts) = shown(&line, &[Span { start: 0, end: 120_000 }]);
        assert_eq!((text, parts), (format!("{}…", "é".repeat(30)), vec!["é".repeat(30)]));
    }
}
