//! Why a training has no end, and what came of it until then.

use crate::error::TrainError;
use crate::fit_report::FitReport;
use crate::network::NetworkError;
use crate::nonfinite::{Nonfinite, Noticed, Search};
use graphc_driver::SavedState;
use std::fmt;

/// Why a training has no end.
#[derive(Debug)]
pub enum FitError {
    /// Data, options or the network.
    Train(TrainError),
    /// A number that is not finite ended it.
    Nonfinite(Box<NonfiniteFit>),
}

impl From<TrainError> for FitError {
    fn from(error: TrainError) -> FitError {
        FitError::Train(error)
    }
}

impl From<NetworkError> for FitError {
    fn from(error: NetworkError) -> FitError {
        FitError::Train(error.into())
    }
}

impl fmt::Display for FitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FitError::Train(error) => error.fmt(f),
            FitError::Nonfinite(fit) => fit.fmt(f),
        }
    }
}

impl std::error::Error for FitError {}

/// A training that a number ended that is not finite. The network has its last finite state whose worth is known:
/// that of the epoch's start, or, if only the loss of the validation samples is not finite, that of the epoch's end.
#[derive(Clone, Debug)]
pub struct NonfiniteFit {
    /// What came of it until then.
    pub report: FitReport,
    /// What ended it.
    pub noticed: Noticed,
    /// Where that comes from.
    pub search: Search,
    /// The state before the step that [`Cause::step`](crate::nonfinite::Cause::step) says, if it is another one than
    /// that of the epoch's start.
    pub before_step: Option<SavedState>,
}

impl fmt::Display for NonfiniteFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "training stopped: {}", self.noticed)?;
        match &self.search {
            Search::Stopped => f.write_str("\nWhere that comes from was not looked for: stopped"),
            Search::NotRepeated => f.write_str(
                "\nThe same steps gave finite numbers when they were made again: that is a fault\n\
                 of graphc or of the machine",
            ),
            Search::Found(cause) => {
                let is_other = |step| step != self.noticed.step || cause.what.kind() != self.noticed.what.kind();
                if let Some(step) = cause.step.filter(|&step| is_other(step)) {
                    write!(f, "\nit begins in step {step}: {}", cause.what)?;
                }
                match &cause.explanation {
                    Some(explanation) => write!(f, "\n{explanation}")?,
                    None => write!(f, "\nin which node is not known: the search was stopped, or took too long")?,
                }
                match (cause.sample, &cause.what) {
                    (Some(sample), Nonfinite::ValidationLoss(_)) => {
                        write!(f, "\nvalidation sample {sample} of the data, from 0")
                    }
                    (Some(sample), _) => write!(f, "\ntraining sample {sample} of the data, from 0"),
                    (None, _) => Ok(()),
                }
            }
        }
    }
}
