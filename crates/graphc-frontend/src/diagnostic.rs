//! What is wrong with a graph file, where, and what was expected; rendered with the offending text
//! underlined.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt;
use std::ops::Range;
use std::path::Path;

/// Bytes of the source text.
pub type Span = Range<usize>;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one line.
    pub message: String,
    /// The offending text; `None` if the file could not be read at all.
    pub span: Option<Span>,
    /// What was expected there.
    pub label: String,
    /// Other places that belong to it.
    pub notes: Vec<(Span, String)>,
    /// How to mend it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A mistake at `span`, where `label` was expected.
    pub fn new(message: impl Into<String>, span: Span, label: impl Into<String>) -> Diagnostic {
        Diagnostic { message: message.into(), span: Some(span), label: label.into(), notes: Vec::new(), help: None }
    }

    /// Points at another place.
    #[must_use]
    pub fn note(mut self, span: Span, label: impl Into<String>) -> Diagnostic {
        self.notes.push((span, label.into()));
        self
    }

    /// Says how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Adds "did you mean" if one of `known` is close to `name`.
    #[must_use]
    pub fn did_you_mean<'a>(self, name: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
        match closest(name, known) {
            Some(close) => self.help(format!("did you mean `{close}`?")),
            None => self,
        }
    }
}

/// The known name that `name` is probably a misspelling of.
pub(crate) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    let distance = |candidate: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase());
    let near =
        known.into_iter().map(|candidate| (distance(candidate), candidate)).min_by_key(|&(distance, _)| distance);
    near.filter(|&(distance, _)| distance <= limit).map(|(_, candidate)| candidate)
}

/// Every mistake found in one file.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    path: String,
    source: String,
    found: Vec<Diagnostic>,
}

impl Diagnostics {
    /// No mistakes yet in the file at `path` with the text `source`.
    pub fn new(path: &Path, source: &str) -> Diagnostics {
        Diagnostics { path: path.display().to_string(), source: source.to_string(), found: Vec::new() }
    }

    /// Adds a mistake.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The mistakes in file order.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut sorted: Vec<&Diagnostic> = self.found.iter().collect();
        sorted.sort_by_key(|diagnostic| diagnostic.span.as_ref().map_or((0, 0), |span| (span.start, span.end)));
        sorted
    }

    /// Line and column of a byte, from 1; the column counts characters.
    pub fn line_column(&self, byte: usize) -> (usize, usize) {
        let before = &self.source[..byte.min(self.source.len())];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The text for people: one block a mistake, in file order, and how many there are.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
        let mut text = String::new();
        for diagnostic in self.sorted() {
            text.push_str(&self.render_one(diagnostic, &renderer));
            text.push_str("\n\n");
        }
        match self.found.len() {
            1 => text.push_str("1 mistake"),
            n => text.push_str(&format!("{n} mistakes")),
        }
        text.push_str(&format!(" in {}", self.path));
        text
    }

    fn render_one(&self, diagnostic: &Diagnostic, renderer: &Renderer) -> String {
        let title = Level::ERROR.primary_title(diagnostic.message.as_str());
        let mut group = Group::with_title(title);
        if let Some(span) = &diagnostic.span {
            let primary = AnnotationKind::Primary.span(self.inside(span)).label(diagnostic.label.as_str());
            let notes = diagnostic
                .notes
                .iter()
                .map(|(span, label)| AnnotationKind::Context.span(self.inside(span)).label(label.as_str()));
            let snippet = Snippet::source(self.source.as_str()).path(self.path.as_str()).annotation(primary);
            group = group.element(snippet.annotations(notes));
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }

    /// The part of `span` that is shown: its first line, and at least one character if there is one.
    fn inside(&self, span: &Span) -> Span {
        let start = self.source.floor_char_boundary(span.start.min(self.source.len()));
        let end = self.source.ceil_char_boundary(span.end.clamp(start, self.source.len()));
        let first_line = self.source[start..end].find(['\n', '\r']).map_or(end, |newline| start + newline);
        let one = self.source[start..].chars().next().filter(|&c| c != '\n' && c != '\r').map_or(0, char::len_utf8);
        start..first_line.max(start + one)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}
