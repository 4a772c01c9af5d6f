//! How to train.

use crate::data::Split;
use crate::error::TrainError;
use crate::feed::Loading;
use crate::metrics::Scoring;
use crate::run::checkpoint::CheckpointEvery;
use crate::run::course::Watched;
use crate::run::receipt::Begin;
use graphc_ir::{EarlyStopping, RateRule, RateSchedule};

/// How to train.
#[derive(Clone, Debug, PartialEq)]
pub struct FitOptions {
    /// Passes over the training samples.
    pub epochs: usize,
    /// Samples a step; the last batch of an epoch may be smaller.
    pub batch_size: usize,
    /// The optimizer's rate, on which the schedule's are based.
    pub learning_rate: f64,
    /// How the rate changes: the values of the step's input `learning_rate`.
    pub schedule: RateSchedule,
    /// Steps of an update, as many as the network takes: the rate stays for so many.
    pub accumulate: usize,
    /// Whether training ends when nothing becomes better any more.
    pub early_stopping: Option<EarlyStopping>,
    /// Whether the network has the best epoch's weights in the end.
    pub keep_best: bool,
    /// Whether validation, and the weights in the end, are those of averages that the network keeps.
    pub infer_averages: bool,
    /// How often [`Observer::checkpoint`](crate::Observer::checkpoint) is called.
    pub checkpoints: CheckpointEvery,
    /// Whether every epoch takes the samples in another order.
    pub shuffle: bool,
    /// Decides the orders.
    pub seed: u64,
    /// When batches are prepared; results do not depend on it.
    pub loading: Loading,
    /// Whether training goes on when a loss or what it changes is not finite.
    pub allow_nonfinite: bool,
    /// What is measured on the validation samples beside loss and accuracy.
    pub scoring: Option<Scoring>,
    /// What the training is made of, if it is to leave a receipt. One that goes on has its own.
    pub receipt: Option<Begin>,
}

impl FitOptions {
    /// Whether those samples can be trained on, for finding out before work is done.
    ///
    /// # Errors
    /// If the batch size is 0 or the split leaves no sample to train on.
    pub fn check(&self, split: &Split) -> Result<(), TrainError> {
        if self.batch_size == 0 {
            return Err(TrainError::Mismatch("the batch size must be at least 1".into()));
        }
        if split.train.is_empty() {
            let n = split.validation.len();
            return Err(TrainError::Mismatch(format!("no samples to train on: of {n}, all validate")));
        }
        let is_validated = !split.validation.is_empty();
        match self.watched().monitors().find(|monitor| monitor.starts_with("val_")) {
            Some(monitor) if !is_validated => Err(TrainError::Mismatch(format!(
                "`{monitor}` is watched, but there are no validation samples: set `validation_split`, or watch `loss`"
            ))),
            _ => Ok(()),
        }
    }

    /// The column of the history that says which epoch is the best.
    pub fn monitor(&self, is_validated: bool) -> &str {
        self.watched().best_by(is_validated)
    }

    /// What the history decides about.
    pub(crate) fn watched(&self) -> Watched<'_> {
        let plateau = match &self.schedule.rule {
            RateRule::Plateau(plateau) => Some(plateau),
            _ => None,
        };
        Watched { plateau, early_stopping: self.early_stopping.as_ref() }
    }
}
