//! What is wrong with a graph file, where, and what was expected; rendered with the offending text
//! underlined.
//!
//! The text is someone else's: hidden characters are shown as escapes, long lines and names are cut, and only the first
//! mistakes are kept ([`mod@crate::limits`]), so that what is said stays small whatever the file.

use crate::excerpt::{Mark, excerpts};
use crate::limits::{MAX_COMPARED, MAX_MISTAKES, MAX_NOTES, MAX_SUGGESTED_CHARS, MAX_SUGGESTIONS};
use crate::place::Place;
use crate::source_text::SourceText;
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Group, Level, Renderer};
use graphc_ir::text::visible;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

pub use crate::source_text::Span;

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

    /// A mistake of the file as a whole.
    pub fn of_file(message: impl Into<String>) -> Diagnostic {
        Diagnostic { message: message.into(), span: None, label: String::new(), notes: Vec::new(), help: None }
    }

    /// Points at another place; beyond [`MAX_NOTES`] places nothing is added.
    #[must_use]
    pub fn note(mut self, span: Span, label: impl Into<String>) -> Diagnostic {
        if self.notes.len() < MAX_NOTES {
            self.notes.push((span, label.into()));
        }
        self
    }

    /// Says how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Adds "did you mean" if a name was probably meant.
    #[must_use]
    pub fn did_you_mean(self, name: Option<&str>) -> Diagnostic {
        match name {
            Some(close) => self.help(format!("did you mean `{close}`?")),
            None => self,
        }
    }
}

/// The known name that `name` is probably a misspelling of.
fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let n_chars = name.chars().count();
    if n_chars > MAX_SUGGESTED_CHARS {
        return None;
    }
    let limit = (n_chars / 3).max(1);
    let name = name.to_lowercase();
    let letters = histogram(&name);
    // A cheap bound first: every edit adds, removes or replaces one letter.
    let near = known.filter_map(|candidate| {
        if candidate.len() > 4 * MAX_SUGGESTED_CHARS {
            return None;
        }
        let lower = candidate.to_lowercase();
        let apart = letters.iter().zip(histogram(&lower)).map(|(&a, b)| i32::from(a) - i32::from(b));
        let (more, less) = apart.fold((0, 0), |(more, less), d| (more + d.max(0), less - d.min(0)));
        (more.max(less) as usize <= 4 * limit).then_some((candidate, lower))
    });
    let distances = near.take(MAX_COMPARED).map(|(candidate, lower)| (strsim::osa_distance(&name, &lower), candidate));
    let best = distances.min_by_key(|&(distance, _)| distance);
    best.filter(|&(distance, _)| distance <= limit).map(|(_, candidate)| candidate)
}

/// How often each byte occurs, by its lowest bits.
fn histogram(text: &str) -> [u16; 32] {
    let mut counts = [0; 32];
    text.bytes().for_each(|byte| counts[usize::from(byte % 32)] += 1);
    counts
}

/// The mistakes found in one file: the first [`MAX_MISTAKES`] of them, and how many there are.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    path: Box<str>,
    source: SourceText,
    /// In file order.
    found: Vec<Diagnostic>,
    n_found: u32,
    n_suggestions: u32,
    seldom: Box<Seldom>,
}

/// What few files need: in a box, so that a result of mistakes stays small.
#[derive(Clone, Debug, Default)]
struct Seldom {
    /// What may be a mistake, in the order in which it was found.
    doubtful: Vec<Diagnostic>,
    /// Where in a block mistakes are found, if in one.
    place: Option<Place>,
    /// Those that have been found by where they are, each with the node that it was found in.
    told: HashMap<Span, usize>,
}

impl Diagnostics {
    /// No mistakes yet in the file at `path` with the text `source`.
    pub fn new(path: &Path, source: &str) -> Diagnostics {
        Diagnostics {
            path: path.display().to_string().into(),
            source: SourceText::new(source),
            found: Vec::new(),
            n_found: 0,
            n_suggestions: 0,
            seldom: Box::default(),
        }
    }

    /// Mistakes from now on are found there, in a block; one that several uses of it have is told once. Gives the place
    /// before.
    pub(crate) fn set_place(&mut self, place: Option<Place>) -> Option<Place> {
        std::mem::replace(&mut self.seldom.place, place)
    }

    /// Adds a mistake; kept are those that come first in the file.
    pub fn push(&mut self, mut diagnostic: Diagnostic) {
        let Seldom { place, told, .. } = &mut *self.seldom;
        if let (Some(place), Some(span)) = (place, &diagnostic.span) {
            if *told.entry(span.clone()).or_insert(place.id) != place.id {
                return;
            }
            let notes = place.notes(span);
            diagnostic = notes.into_iter().fold(diagnostic, |diagnostic, (span, label)| diagnostic.note(span, label));
        }
        self.n_found += 1;
        let key = |diagnostic: &Diagnostic| diagnostic.span.as_ref().map_or((0, 0), |span| (span.start, span.end));
        let at = self.found.partition_point(|earlier| key(earlier) <= key(&diagnostic));
        if at < MAX_MISTAKES {
            self.found.truncate(MAX_MISTAKES - 1);
            self.found.insert(at, diagnostic);
        }
    }

    /// Adds what may be a mistake and does not keep the file from being used; kept are the first [`MAX_MISTAKES`].
    pub fn warn(&mut self, diagnostic: Diagnostic) {
        if self.seldom.doubtful.len() < MAX_MISTAKES {
            self.seldom.doubtful.push(diagnostic);
        }
    }

    /// The one of `known` that `name` is probably a misspelling of; after [`MAX_SUGGESTIONS`] searches none is.
    pub(crate) fn closest<'a>(&mut self, name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        if self.n_suggestions as usize == MAX_SUGGESTIONS {
            return None;
        }
        self.n_suggestions += 1;
        closest(name, known.into_iter())
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.n_found == 0
    }

    /// Number of mistakes, those that are not kept included.
    pub fn len(&self) -> usize {
        self.n_found as usize
    }

    /// The first mistakes in file order.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        self.found.iter().collect()
    }

    /// Line of a byte, from 1.
    pub fn line(&self, byte: usize) -> usize {
        self.source.line(byte)
    }

    /// Line and column of a byte, from 1; the column counts characters.
    pub fn line_column(&self, byte: usize) -> (usize, usize) {
        self.source.line_column(byte)
    }

    /// The text for people: one block a mistake, in file order, and how many there are.
    pub fn render(&self, color: bool) -> String {
        let renderer = renderer(color);
        let mut text = String::new();
        for diagnostic in &self.found {
            text.push_str(&self.render_one(diagnostic, &Level::ERROR, &renderer));
            text.push_str("\n\n");
        }
        text.push_str(&match (self.found.len(), self.len() - self.found.len()) {
            (1, 0) => "1 mistake".to_string(),
            (n, 0) => format!("{n} mistakes"),
            (_, more) => format!("{} mistakes, {more} more than are shown,", self.n_found),
        });
        text.push_str(&format!(" in {}", visible(&self.path)));
        text
    }

    /// What may be a mistake, as text for people: one block each.
    pub fn render_warnings(&self, color: bool) -> Vec<String> {
        let renderer = renderer(color);
        self.seldom.doubtful.iter().map(|diagnostic| self.render_one(diagnostic, &Level::WARNING, &renderer)).collect()
    }

    fn render_one(&self, diagnostic: &Diagnostic, level: &Level<'_>, renderer: &Renderer) -> String {
        let mut group = Group::with_title(level.clone().primary_title(visible(&diagnostic.message)));
        let mut places = Vec::new();
        if let Some(span) = &diagnostic.span {
            let primary = Mark { span: self.source.inside(span), label: &diagnostic.label, primary: true };
            let notes = diagnostic.notes.iter();
            let notes = notes.map(|(span, label)| Mark { span: self.source.inside(span), label, primary: false });
            let marks: Vec<Mark<'_>> = std::iter::once(primary).chain(notes).collect();
            let excerpts = excerpts(&self.source, &visible(&self.path), &marks);
            group = group.elements(excerpts.snippets);
            places = excerpts.places;
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(visible(help)));
        }
        let text = renderer.render(&[group]);
        // The renderer counts columns in the excerpt, which is cut.
        places.iter().fold(text, |text, [shown, real]| text.replacen(shown, real, 1))
    }
}

fn renderer(color: bool) -> Renderer {
    if color { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii)
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_its_letters() {
        let known = ["conv1", "conv2", "dense1", "Probabilities"];
        let found = |name: &str| closest(name, known.into_iter());
        assert_eq!(found("conv_1"), Some("conv1"));
        assert_eq!(found("ocnv2"), Some("conv2"));
        assert_eq!(found("probabilites"), Some("Probabilities"));
        assert_eq!(found("probabilitiés"), Some("Probabilities"));
        assert_eq!(found("pool"), None);
        assert_eq!(found(""), None);
        let long = "a".repeat(MAX_SUGGESTED_CHARS);
        assert_eq!(closest(&long, [long.as_str()].into_iter()), Some(long.as_str()));
        let longer = "a".repeat(MAX_SUGGESTED_CHARS + 1);
        assert_eq!(closest(&longer, [longer.as_str()].into_iter()), None);
    }

    #[test]
    fn the_first_mistakes_are_kept() {
        let mut diagnostics = Diagnostics::new(Path::new("x"), &" ".repeat(1000));
        for at in (0..1000).rev() {
            diagnostics.push(Diagnostic::new(format!("mistake {at}"), at..at + 1, ""));
        }
        let messages: Vec<String> = diagnostics.sorted().iter().map(|d| d.message.clone()).collect();
        assert_eq!(messages, (0..MAX_MISTAKES).map(|at| format!("mistake {at}")).collect::<Vec<_>>());
        assert!(diagnostics.to_string().ends_with("\n\n1000 mistakes, 980 more than are shown, in x"));
    }
}
