//! Numbers that stopped being finite: what was noticed, where it comes from, and what of it is kept.
//!
//! A loss is looked at after every step, everything that training changes at the end of every epoch and before it is
//! handed back. Unless [`FitOptions::allow_nonfinite`] says otherwise, training then stops, and `search` finds the
//! step and the node.
//!
//! [`FitOptions::allow_nonfinite`]: crate::train::FitOptions::allow_nonfinite

use crate::data::Dataset;
use crate::error::{TrainError, state_text};
use crate::feed::{Feeding, Loading, Section, with_feed};
use crate::fit_report::FitReport;
use crate::network::{Network, NetworkError};
use crate::{Batches, Evaluation};
use graphc_driver::{Explanation, NonfiniteTensor, SavedState};
use graphc_ir::graph::Mode;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter;
use std::sync::atomic::AtomicBool;

/// Something that is not finite.
#[derive(Clone, Debug, PartialEq)]
pub enum Nonfinite {
    /// The loss of a training step.
    Loss(f64),
    /// Tensors of the state after a step: weights and moving statistics, then what the optimizer keeps. There is at
    /// least one.
    State(Vec<NonfiniteTensor>),
    /// The mean loss of the validation samples.
    ValidationLoss(f64),
}

/// When something was noticed.
#[derive(Clone, Debug, PartialEq)]
pub struct Noticed {
    /// What it was.
    pub what: Nonfinite,
    /// From 1.
    pub epoch: usize,
    /// Steps of this epoch done.
    pub step: usize,
    /// Steps of an epoch.
    pub n_steps: usize,
}

/// What was let pass, as a checkpoint keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// [`Nonfinite::kind`].
    pub kind: String,
    /// From 1.
    pub epoch: usize,
    /// Steps of this epoch done.
    pub step: usize,
    /// [`Noticed`] as text.
    pub message: String,
}

impl From<&Noticed> for Allowed {
    fn from(noticed: &Noticed) -> Allowed {
        let Noticed { what, epoch, step, .. } = noticed;
        Allowed { kind: what.kind().into(), epoch: *epoch, step: *step, message: noticed.to_string() }
    }
}

/// Where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// The first step of the epoch, from 1, after which something was not finite; nothing in validation.
    pub step: Option<usize>,
    /// What was not finite after that step.
    pub what: Nonfinite,
    /// The node; nothing if the search for it was stopped, or took too long.
    pub explanation: Option<Explanation>,
    /// Number of the sample in the data set, from 0, if the first value that is not finite belongs to one.
    pub sample: Option<usize>,
}

/// What the search for the cause came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Search {
    /// It was found, at least the step.
    Found(Box<Cause>),
    /// It was stopped before the step was found.
    Stopped,
    /// The same steps, made again, gave finite numbers: a fault of the compiler or of the machine.
    NotRepeated,
}

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
    /// The state before the step that [`Cause::step`] says, if it is another one than that of the epoch's start.
    pub before_step: Option<SavedState>,
}

impl Nonfinite {
    /// A word for scripts: `loss`, `state` or `validation_loss`.
    pub fn kind(&self) -> &'static str {
        match self {
            Nonfinite::Loss(_) => "loss",
            Nonfinite::State(_) => "state",
            Nonfinite::ValidationLoss(_) => "validation_loss",
        }
    }
}

/// A clause: `the loss is NaN`.
impl fmt::Display for Nonfinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Nonfinite::Loss(loss) => write!(f, "the loss is {loss}"),
            Nonfinite::ValidationLoss(loss) => write!(f, "the validation loss is {loss}"),
            Nonfinite::State(tensors) => f.write_str(&state_text(tensors)),
        }
    }
}

/// `the loss is NaN in epoch 2, step 3 of 40`.
impl fmt::Display for Noticed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Noticed { what, epoch, step, n_steps } = self;
        match what {
            Nonfinite::Loss(_) => write!(f, "{what} in epoch {epoch}, step {step} of {n_steps}"),
            Nonfinite::State(tensors) => {
                let n = match tensors.len() {
                    1 => "a tensor is".to_string(),
                    n => format!("{n} tensors are"),
                };
                write!(f, "{n} not finite in epoch {epoch} after step {step} of {n_steps}:")?;
                tensors.first().map_or(Ok(()), |first| write!(f, "\n{first}"))
            }
            Nonfinite::ValidationLoss(_) => write!(f, "{what} after epoch {epoch}"),
        }
    }
}

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

/// Why a loss that [`evaluate`](crate::evaluate()) found for those samples is not finite: the first batch with such a
/// loss, in the graph interpreter; nothing if all losses are finite, or `stop` became true. With the number of the
/// sample in the data set, if the first value that is not finite belongs to one.
///
/// # Errors
/// If the network fails.
pub fn explain_evaluation(
    network: &mut dyn Network,
    dataset: &Dataset,
    samples: &[u32],
    evaluation: &Evaluation,
    stop: &AtomicBool,
) -> Result<Option<(Explanation, Option<usize>)>, TrainError> {
    let Some(batch) = evaluation.nonfinite else { return Ok(None) };
    let (n_samples, samples) = (batch.n_samples, &samples[batch.first..][..batch.n_samples]);
    let section = Section::infer(Batches::in_order(samples.iter().copied(), n_samples));
    let sizes = [(Mode::Infer, n_samples)];
    let feeding = Feeding { dataset, sizes: &sizes, loading: Loading::Between };
    with_feed(network, feeding, iter::once(section), |network, feed| {
        feed.next(network, Mode::Infer)?;
        let explanation = network.explain(Mode::Infer, n_samples, &["loss"], stop)?;
        Ok(explanation.map(|explanation| {
            let sample = explanation.first.as_ref().and_then(|first| first.sample);
            (explanation, sample.and_then(|sample| samples.get(sample)).map(|&sample| sample as usize))
        }))
    })
}
