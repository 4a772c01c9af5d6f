//! [`TrainError`]: what can go wrong outside the compiler.

use crate::network::NetworkError;
use graphc_driver::NonfiniteTensor;
use std::fmt;
use std::path::{Path, PathBuf};

/// A mistake in the user's files or a step that failed.
#[derive(Debug)]
pub enum TrainError {
    /// A file that cannot be read or written, or that holds something else than expected.
    File {
        /// The path as tried.
        path: PathBuf,
        /// What was expected and what was found.
        message: String,
    },
    /// Data, weights or options that do not fit the network or each other.
    Mismatch(String),
    /// The network refused an input or a step.
    Network(NetworkError),
    /// Weights that training was to start from are not finite; at least one tensor.
    NonfiniteState(Vec<NonfiniteTensor>),
}

impl TrainError {
    /// An error about the contents of `path`.
    pub fn file(path: &Path, message: impl Into<String>) -> TrainError {
        TrainError::File { path: path.to_path_buf(), message: message.into() }
    }

    /// An operating system error; `action` completes "cannot ...".
    pub fn io(path: &Path, action: &str, error: &std::io::Error) -> TrainError {
        TrainError::file(path, format!("cannot {action}: {error}"))
    }
}

/// `` `w` is NaN at [0,1] (not finite: 3 of 12)``, and how many tensors more.
pub(crate) fn state_text(tensors: &[NonfiniteTensor]) -> String {
    match tensors {
        [] => "all numbers are finite".into(),
        [one] => one.to_string(),
        [one, others @ ..] => format!("{one},\nand {} more", others.len()),
    }
}

/// A name from a file, for a message: [`printable`], and a long one is cut.
pub(crate) fn escaped(name: &str) -> String {
    const MOST_CHARS: usize = 100;
    match name.char_indices().nth(MOST_CHARS) {
        Some((at, _)) => printable(&name[..at]) + "…",
        None => printable(name),
    }
}

/// A text whose control characters are escaped: a terminal would obey them.
pub fn printable(text: &str) -> String {
    graphc_ir::text::visible(text).into_owned()
}

impl fmt::Display for TrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrainError::File { path, message } => write!(f, "{}: {message}", printable(&path.to_string_lossy())),
            TrainError::Mismatch(message) => f.write_str(message),
            TrainError::Network(error) => write!(f, "{error}"),
            TrainError::NonfiniteState(tensors) => {
                write!(f, "the weights to start from are not finite: {}", state_text(tensors))
            }
        }
    }
}

impl std::error::Error for TrainError {}

impl From<NetworkError> for TrainError {
    fn from(error: NetworkError) -> TrainError {
        TrainError::Network(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_printable() {
        assert_eq!(escaped("a\x1b[31m\n"), "a\\u{1b}[31m\\n");
        assert_eq!(escaped(&"ä".repeat(100)), "ä".repeat(100));
        assert_eq!(escaped(&"ä".repeat(101)), "ä".repeat(100) + "…");
        let error = TrainError::file(Path::new("a\x1b]0;b\x07"), "no\nsuch");
        assert_eq!(error.to_string(), "a\\u{1b}]0;b\\u{7}: no\nsuch");
    }
}
