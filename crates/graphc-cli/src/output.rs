//! Writing results: `println!` panics when a pipe is closed, this does not.

use crate::error::CliError;
use crate::words::printable;
use std::io::Write;

/// Writes text and a newline to stdout, at once.
pub(crate) fn line(line: impl AsRef<str>) -> Result<(), CliError> {
    text(&format!("{}\n", line.as_ref()))
}

/// Writes a text that ends with its own newline.
pub(crate) fn text(text: &str) -> Result<(), CliError> {
    bytes(printable(text).as_bytes())
}

/// Writes bytes as they are: not for a terminal, which obeys some.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}
