//! What is said on stderr: `eprintln!` panics when that is closed, this does not.

use crate::terminal;
use crate::words::{printable, wrapped};
use std::borrow::Cow;
use std::io::Write;

/// Says something on stderr that is no result.
pub(crate) fn warning(text: &str) {
    message(&on_stderr(&format!("warning: {}", printable(text))));
}

/// A message whose lines end between words if stderr is a terminal. Lines that are indented stay: they are commands, or
/// excerpts.
pub(crate) fn on_stderr(text: &str) -> Cow<'_, str> {
    let Some(width) = terminal::width_of_stderr() else { return text.into() };
    let line = |line: &str| if line.starts_with(' ') { line.into() } else { wrapped(line, width.into()) };
    text.split('\n').map(line).collect::<Vec<String>>().join("\n").into()
}

/// Writes a message to stderr as it is.
pub(crate) fn message(text: &str) {
    // A closed stderr leaves nobody to tell. In one piece, so that the lines of two programs do not mix.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}
