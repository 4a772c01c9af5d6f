//! [`TrainError`]: what can go wrong outside the compiler.

use crate::network::NetworkError;
use crate::nonfinite::{NonfiniteFit, state_text};
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
    /// A number that is not finite ended a training.
    Nonfinite(Box<NonfiniteFit>),
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

impl fmt::Display for TrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrainError::File { path, message } => write!(f, "{}: {message}", path.display()),
            TrainError::Mismatch(message) => f.write_str(message),
            TrainError::Network(error) => write!(f, "{error}"),
            TrainError::NonfiniteState(tensors) => {
                write!(f, "the weights to start from are not finite: {}", state_text(tensors))
            }
            TrainError::Nonfinite(fit) => write!(f, "{fit}"),
        }
    }
}

impl std::error::Error for TrainError {}

impl From<NetworkError> for TrainError {
    fn from(error: NetworkError) -> TrainError {
        TrainError::Network(error)
    }
}
