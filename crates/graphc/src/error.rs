//! [`Error`]: whatever can go wrong in a program that uses graphc.

use graphc_driver::DriverError;
use graphc_frontend::Diagnostics;
use graphc_ir::graph::builder::BuildError;
use graphc_ir::optimizers::UnknownOptimizer;
use graphc_train::{FitError, NetworkError, NonfiniteFit, TrainError};
use std::fmt;

/// A result with an [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why something failed. Messages name the input, file or node, what was expected and what was found.
#[derive(Debug)]
pub enum Error {
    /// What is wrong with a graph file, each mistake with its line.
    Graph(Diagnostics),
    /// A node that cannot be added to a network.
    Build(BuildError),
    /// The network cannot be compiled, or a step was refused.
    Driver(DriverError),
    /// Data, weights or checkpoints that cannot be read, written, or do not fit.
    Train(TrainError),
    /// A training was ended by a number that is not finite; says in which step and node it begins.
    Nonfinite(Box<NonfiniteFit>),
    /// What was given does not fit the network.
    Mismatch(String),
}

impl Error {
    /// What was given does not fit the network.
    pub(crate) fn new(message: impl Into<String>) -> Error {
        Error::Mismatch(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Graph(error) => error.fmt(f),
            Error::Build(error) => error.fmt(f),
            Error::Driver(error) => error.fmt(f),
            Error::Train(error) => error.fmt(f),
            Error::Nonfinite(error) => error.fmt(f),
            Error::Mismatch(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

macro_rules! from {
    ($($error:ty => $variant:ident),* $(,)?) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Error {
                Error::$variant(error)
            }
        })*
    };
}

from!(Diagnostics => Graph, BuildError => Build, DriverError => Driver, TrainError => Train);

impl From<FitError> for Error {
    fn from(error: FitError) -> Error {
        match error {
            FitError::Train(error) => Error::Train(error),
            FitError::Nonfinite(error) => Error::Nonfinite(error),
        }
    }
}

impl From<NetworkError> for Error {
    fn from(error: NetworkError) -> Error {
        Error::Train(error.into())
    }
}

impl From<UnknownOptimizer> for Error {
    fn from(error: UnknownOptimizer) -> Error {
        Error::new(error.to_string())
    }
}
