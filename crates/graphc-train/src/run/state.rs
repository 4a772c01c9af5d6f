//! [`RunState`]: everything but tensors that the rest of a training depends on, as data.
//!
//! A training is always the continuation of a state; a new one continues the state before the first step. So there is
//! one way through the loop, and a run that was interrupted anywhere goes on as if nothing had been.

use super::course::{Course, Ended};
use super::exact;
use super::progress::Progress;
use super::receipt::Receipt;
use crate::history::History;
use crate::nonfinite::Allowed;
use serde::{Deserialize, Serialize};

/// Where a run stands between two steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// [`VERSION`] of whoever wrote it.
    pub version: u32,
    /// The epoch that is to be gone on with, from 1.
    pub epoch: usize,
    /// Steps of this epoch done.
    pub step: usize,
    /// Steps of an epoch.
    pub n_steps: usize,
    /// Samples of this epoch seen.
    pub samples: usize,
    /// Sum of their losses.
    #[serde(with = "exact")]
    pub loss_sum: f64,
    /// The same of each of several losses, by name.
    #[serde(with = "exact::named", default, skip_serializing_if = "Vec::is_empty")]
    pub loss_sums: Vec<(String, f64)>,
    /// How many of them were predicted correctly, if the network measures it.
    #[serde(with = "exact::option")]
    pub n_correct: Option<f64>,
    /// Seconds spent on this epoch.
    #[serde(with = "exact")]
    pub seconds: f64,
    /// The finished epochs.
    pub history: History,
    /// What they have decided.
    pub course: Course,
    /// How many epochs were wanted last.
    pub epochs: usize,
    /// Why the run is over, if it is.
    pub ended: Option<Ended>,
    /// What was not finite and was let pass until then, the first of each kind.
    pub nonfinite: Vec<Allowed>,
    /// What it leaves for others to compare with, if it does.
    pub receipt: Option<Receipt>,
}

/// Of [`RunState`]; another one is not read.
pub const VERSION: u32 = 2;

impl RunState {
    /// Before the first step of so many epochs of `n_steps` each.
    pub fn new(epochs: usize, n_steps: usize) -> RunState {
        RunState {
            version: VERSION,
            epoch: 1,
            step: 0,
            n_steps,
            samples: 0,
            loss_sum: 0.0,
            loss_sums: Vec::new(),
            n_correct: None,
            seconds: 0.0,
            history: History::default(),
            course: Course::default(),
            epochs,
            ended: (epochs == 0).then_some(Ended::AllEpochs),
            nonfinite: Vec::new(),
            receipt: None,
        }
    }

    /// Training steps made so far.
    pub fn steps_done(&self) -> usize {
        (self.epoch - 1).saturating_mul(self.n_steps).saturating_add(self.step)
    }

    /// The epoch so far.
    pub fn progress(&self) -> Progress {
        let mean = |sum: f64| sum / self.samples as f64;
        Progress {
            epoch: self.epoch,
            step: self.step,
            n_steps: self.n_steps,
            samples: self.samples,
            // Of no samples: NaN.
            loss: mean(self.loss_sum),
            accuracy: self.n_correct.map(mean),
            seconds: self.seconds,
        }
    }

    /// Counts one of several losses of the last samples.
    pub(crate) fn add_part(&mut self, name: &str, loss: f64) {
        match self.loss_sums.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += loss,
            None => self.loss_sums.push((name.to_string(), loss)),
        }
    }

    /// The mean of each of several losses in the epoch so far.
    pub(crate) fn losses(&self) -> Vec<(String, f64)> {
        self.loss_sums.iter().map(|(name, sum)| (name.clone(), sum / self.samples as f64)).collect()
    }

    /// The next epoch begins.
    pub(crate) fn begin_next_epoch(&mut self) {
        self.epoch += 1;
        self.loss_sums.clear();
        (self.step, self.samples, self.loss_sum, self.n_correct, self.seconds) = (0, 0, 0.0, None, 0.0);
    }

    /// So many epochs are wanted now. A run that is over goes on if these are more than before; one that stays over is
    /// as it was, whatever the rate.
    pub(crate) fn want(&mut self, epochs: usize, learning_rate: f64) {
        let was_over = self.ended.is_some();
        if self.ended.is_some() && epochs > self.epochs {
            self.ended = None;
            self.course.forget_waiting();
        }
        if self.epoch > epochs {
            self.ended.get_or_insert(Ended::AllEpochs);
        }
        self.epochs = epochs;
        if !was_over || self.ended.is_none() {
            self.note_options(learning_rate);
        }
    }

    /// Takes down what is in force from here on.
    pub(crate) fn note_options(&mut self, learning_rate: f64) {
        if let Some(receipt) = &mut self.receipt {
            receipt.note_options(self.step, self.epochs, learning_rate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::history;

    #[test]
    fn reads_back_bit_for_bit() {
        let mut state = RunState::new(9, 7);
        state.history = history(&[0.1, 1.0 / 3.0]);
        state.history.records[1].val_loss = Some(f64::INFINITY);
        (state.loss_sum, state.n_correct, state.seconds) = (0.1 + 0.2, Some(3.0), 1e-300);
        state.ended = Some(Ended::EarlyStopping);
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<RunState>(&text).unwrap(), state);
        assert!(serde_json::from_str::<RunState>(&text.replace("inf", "x")).is_err());
    }
}
