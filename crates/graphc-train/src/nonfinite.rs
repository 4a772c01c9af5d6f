//! Numbers that stopped being finite: what was noticed, what was let pass, and where it comes from.
//!
//! A loss is looked at after every step, everything that training changes at the end of every epoch and before it is
//! handed back. Unless [`FitOptions::allow_nonfinite`] says otherwise, training then stops, and `search` finds the
//! step and the node.
//!
//! [`FitOptions::allow_nonfinite`]: crate::train::FitOptions::allow_nonfinite

use crate::error::state_text;
use graphc_driver::{Explanation, NonfiniteTensor};
use serde::{Deserialize, Serialize};
use std::fmt;

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
