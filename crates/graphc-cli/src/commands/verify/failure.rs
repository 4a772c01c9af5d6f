//! Why a run is not verified.

use crate::error::CliError;
use graphc_train::run::receipt::Difference;

/// Why a run is not verified: what was found, or that nothing could be found out.
pub(super) enum Failure {
    Difference(Difference),
    Error(CliError),
}

impl<E: Into<CliError>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Error(error.into())
    }
}

/// A difference that belongs to no epoch.
pub(super) fn differs(message: String) -> Failure {
    Failure::Difference(Difference { epoch: None, tensor: None, message })
}
