//! What is decided after every epoch: whether the rate falls, whether training ends, and which epoch is the best so
//! far.
//!
//! Each is a function of the history, kept as a few numbers, so that a run that goes on from a checkpoint decides
//! alike.

use super::exact;
use crate::error::TrainError;
use crate::history::EpochRecord;
use crate::metrics;
use graphc_ir::{EarlyStopping, Plateau};
use serde::{Deserialize, Serialize};

/// What of the history is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched<'a> {
    /// On which plateau the rate falls, if it does.
    pub(crate) plateau: Option<&'a Plateau>,
    /// Whether training ends when nothing becomes better any more.
    pub(crate) early_stopping: Option<&'a EarlyStopping>,
}

/// The best epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// From 1.
    pub epoch: usize,
    /// What was watched.
    #[serde(with = "exact")]
    pub value: f64,
}

/// Why a training is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// All epochs are done.
    AllEpochs,
    /// Nothing became better any more.
    EarlyStopping,
}

/// What the history has decided so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Course {
    plateau: Waiting,
    /// Epochs after a change of the rate that are still not to count.
    cooldown: usize,
    /// How often the rate has fallen.
    pub(crate) n_reductions: u32,
    stopping: Waiting,
    /// The epoch with the best value of what says so (`Watched::best_by`), the first of equal ones.
    pub best: Option<Best>,
}

/// Epochs since something became better.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Waiting {
    #[serde(with = "exact::option")]
    best: Option<f64>,
    n_epochs: usize,
}

/// What follows from an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// It is the best so far.
    pub(crate) is_best: bool,
    /// Training ends.
    pub(crate) stop: bool,
}

impl<'a> Watched<'a> {
    /// Columns of the history without which nothing can be decided.
    pub(crate) fn monitors(&self) -> impl Iterator<Item = &'a str> {
        let plateau = self.plateau.map(|plateau| plateau.monitor.as_str());
        plateau.into_iter().chain(self.early_stopping.map(|stopping| stopping.monitor.as_str()))
    }

    /// The column that says which epoch is the best.
    pub(crate) fn best_by(&self, is_validated: bool) -> &'a str {
        match (self.early_stopping, is_validated) {
            (Some(stopping), _) => &stopping.monitor,
            (None, true) => "val_loss",
            (None, false) => "loss",
        }
    }
}

impl Waiting {
    /// Takes in an epoch's value. A NaN is no improvement.
    fn observe(&mut self, value: f64, monitor: &str, min_delta: f64) {
        if self.best.is_none_or(|best| is_better(value, best, monitor, min_delta)) && !value.is_nan() {
            *self = Waiting { best: Some(value), n_epochs: 0 };
        } else {
            self.n_epochs += 1;
        }
    }
}

/// Whether an epoch's value is better by more than `min_delta`.
fn is_better(value: f64, than: f64, monitor: &str, min_delta: f64) -> bool {
    if falls(monitor) { value < than - min_delta } else { value > than + min_delta }
}

/// Whether a column of the history is better when it is lower.
fn falls(monitor: &str) -> bool {
    let metric = monitor.strip_prefix("val_").unwrap_or(monitor);
    metric == "loss" || metrics::is_error(metric)
}

impl Course {
    /// Takes in an epoch.
    ///
    /// # Errors
    /// If something is watched that was not measured.
    pub(crate) fn epoch_done(&mut self, record: &EpochRecord, watched: &Watched<'_>) -> Result<Decision, TrainError> {
        let value = |monitor: &str| {
            let message = || TrainError::Mismatch(format!("`{monitor}` is watched, but it is not measured"));
            record.value(monitor).ok_or_else(message)
        };
        if let Some(plateau) = watched.plateau {
            self.look_for_plateau(value(&plateau.monitor)?, plateau);
        }
        let mut decision = Decision { is_best: false, stop: false };
        if let Some(EarlyStopping { monitor, patience, min_delta }) = watched.early_stopping {
            self.stopping.observe(value(monitor)?, monitor, *min_delta);
            decision.stop = self.stopping.n_epochs >= *patience;
        }
        let monitor = watched.best_by(record.val_loss.is_some());
        let value = value(monitor)?;
        decision.is_best =
            self.best.is_none_or(|best| is_better(value, best.value, monitor, 0.0) || best.value.is_nan());
        if decision.is_best {
            self.best = Some(Best { epoch: record.epoch, value });
        }
        Ok(decision)
    }

    fn look_for_plateau(&mut self, value: f64, plateau: &Plateau) {
        self.plateau.observe(value, &plateau.monitor, plateau.min_delta);
        if self.cooldown > 0 {
            self.cooldown -= 1;
            self.plateau.n_epochs = 0;
        } else if self.plateau.n_epochs >= plateau.patience {
            self.n_reductions = self.n_reductions.saturating_add(1);
            self.cooldown = plateau.cooldown;
            self.plateau.n_epochs = 0;
        }
    }

    /// Waits anew: somebody wants to go on where training had ended.
    pub(crate) fn forget_waiting(&mut self) {
        self.stopping.n_epochs = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit_options::FitOptions;
    use crate::history::tests::record;
    use crate::train::tests::options;
    use graphc_ir::{RateRule, RateSchedule};

    fn stopping(monitor: &str, patience: usize, min_delta: f64) -> FitOptions {
        let early_stopping = Some(EarlyStopping { monitor: monitor.into(), patience, min_delta });
        FitOptions { early_stopping, ..options() }
    }

    /// Decisions after epochs with these validation losses, until training ends.
    fn decisions(options: &FitOptions, losses: &[f64]) -> (Vec<bool>, Course) {
        let mut course = Course::default();
        let mut is_best = Vec::new();
        for (idx, &loss) in losses.iter().enumerate() {
            let record = EpochRecord { val_loss: Some(loss), val_accuracy: Some(-loss), ..record(idx + 1) };
            let decision = course.epoch_done(&record, &options.watched()).unwrap();
            is_best.push(decision.is_best);
            if decision.stop {
                break;
            }
        }
        (is_best, course)
    }

    #[test]
    fn stops_after_epochs_without_improvement() {
        let losses = [3.0, 2.0, 2.5, 1.0, 1.0, 1.0, 0.5];
        let (is_best, course) = decisions(&stopping("val_loss", 2, 0.0), &losses);
        assert_eq!(is_best, [true, true, false, true, false, false]);
        assert_eq!(course.best, Some(Best { epoch: 4, value: 1.0 }));
        // Accuracies are to rise.
        assert_eq!(decisions(&stopping("val_accuracy", 2, 0.0), &losses).0, is_best);
        // Small improvements do not count, but the best epoch is the best.
        let (is_best, course) = decisions(&stopping("val_loss", 2, 1.0), &[3.0, 2.5, 2.25, 1.0]);
        assert_eq!((is_best, course.best), (vec![true, true, true], Some(Best { epoch: 3, value: 2.25 })));
        let (is_best, course) = decisions(&stopping("val_loss", 2, 0.0), &[f64::NAN, 1.0, f64::NAN, f64::NAN, 0.0]);
        assert_eq!((is_best, course.best), (vec![true, true, false, false], Some(Best { epoch: 2, value: 1.0 })));
    }

    #[test]
    fn errors_are_to_fall_and_shares_to_rise() {
        for (monitor, is_to_fall) in [
            ("loss", true),
            ("val_loss", true),
            ("val_mae", true),
            ("val_mse", true),
            ("accuracy", false),
            ("val_accuracy", false),
            ("val_f1", false),
            ("val_top_5", false),
        ] {
            assert_eq!(falls(monitor), is_to_fall, "{monitor}");
            let options = stopping(monitor, 9, 0.0);
            let mut course = Course::default();
            for (epoch, value) in [(1, 0.5), (2, 0.75)] {
                let val_metrics = monitor.strip_prefix("val_").map(|name| (name.to_string(), value));
                let (loss, accuracy) = (value, Some(value));
                let record = EpochRecord {
                    loss,
                    accuracy,
                    val_loss: Some(loss),
                    val_accuracy: accuracy,
                    val_metrics: val_metrics.into_iter().collect(),
                    ..record(epoch)
                };
                course.epoch_done(&record, &options.watched()).unwrap();
            }
            assert_eq!(course.best.unwrap().epoch, if is_to_fall { 1 } else { 2 }, "{monitor}");
        }
    }

    #[test]
    fn what_is_not_measured_cannot_be_watched() {
        let record = EpochRecord { val_loss: None, ..record(1) };
        let error = Course::default().epoch_done(&record, &stopping("val_loss", 1, 0.0).watched()).unwrap_err();
        assert_eq!(error.to_string(), "`val_loss` is watched, but it is not measured");
    }

    #[test]
    fn a_plateau_lowers_the_rate_and_cools_down() {
        let plateau = Plateau {
            monitor: "val_loss".into(),
            factor: 0.5,
            patience: 2,
            min_delta: 0.0,
            cooldown: 1,
            min_rate: 0.0,
        };
        let schedule = RateSchedule { rule: RateRule::Plateau(plateau), warmup: None };
        let options = FitOptions { schedule, ..options() };
        let reductions = |n: usize| decisions(&options, &[1.0; 12][..n]).1.n_reductions;
        // Epoch 1 is the best; 2 and 3 wait; 4 cools down; 5 and 6 wait; and so on.
        assert_eq!([1, 2, 3, 4, 5, 6, 7, 8, 9].map(reductions), [0, 0, 1, 1, 1, 2, 2, 2, 3]);
        // What is best is told anyway, by the loss on what validates.
        assert_eq!(decisions(&options, &[1.0, 0.5, 0.75]).1.best.map(|best| best.epoch), Some(2));
    }
}
