//! The steps of the epochs, and what is looked at between them.

use crate::batches::Batches;
use crate::error::TrainError;
use crate::evaluate::{Evaluation, correct, evaluate_next};
use crate::feed::{Feed, Section};
use crate::history::EpochRecord;
use crate::metrics::Scores;
use crate::network::Network;
use crate::nonfinite::{Nonfinite, Noticed};
use crate::train::{FitOptions, FitReport, Observer, Progress};
use graphc_driver::SavedState;
use graphc_ir::graph::Mode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The batches of an epoch.
pub(crate) fn training_section(options: &FitOptions, epoch: usize, train: &[u32]) -> Section {
    let FitOptions { batch_size, seed, shuffle, .. } = *options;
    let batches = match shuffle {
        true => Batches::shuffled(train.iter().copied(), batch_size, seed, epoch),
        false => Batches::in_order(train.iter().copied(), batch_size),
    };
    Section { mode: Mode::Train, batches }
}

/// Makes training steps, each with its number and the learning rate.
pub(crate) struct Steps {
    /// Whether the step has the input `step`, which dropout reads.
    reads_step: bool,
    n_done: i32,
}

/// One step that was made.
pub(crate) struct Step {
    /// Its number of samples.
    pub(crate) batch: usize,
    pub(crate) time: Duration,
}

impl Steps {
    pub(crate) fn prepare(
        network: &mut dyn Network,
        sizes: &[(Mode, usize)],
        options: &FitOptions,
    ) -> Result<Steps, TrainError> {
        let mut reads_step = false;
        for &(mode, batch) in sizes.iter().filter(|(mode, _)| *mode == Mode::Train) {
            // Inputs keep their values from step to step.
            if network.has_input(mode, batch, "learning_rate")? {
                network.set_input_f32(mode, batch, "learning_rate", &[options.learning_rate as f32])?;
            }
            reads_step |= network.has_input(mode, batch, "step")?;
        }
        Ok(Steps { reads_step, n_done: 0 })
    }

    /// Goes on with the number of the first step of that epoch, which is from 1.
    pub(crate) fn go_to_epoch(&mut self, epoch: usize, n_steps: usize) {
        self.n_done = (epoch - 1).wrapping_mul(n_steps) as i32;
    }

    /// Trains on the next batch.
    pub(crate) fn make(&mut self, network: &mut dyn Network, feed: &mut Feed<'_>) -> Result<Step, TrainError> {
        let batch = feed.next(network, Mode::Train)?;
        if self.reads_step {
            network.set_input_i32(Mode::Train, batch, "step", &[self.n_done])?;
        }
        let start = Instant::now();
        network.step(Mode::Train, batch)?;
        self.n_done = self.n_done.wrapping_add(1);
        Ok(Step { batch, time: start.elapsed() })
    }
}

/// Decides what happens when a number is not finite.
pub(crate) struct Watch<'a> {
    observer: &'a mut dyn Observer,
    is_allowed: bool,
    /// What was let pass, each kind once.
    pub(crate) allowed: Vec<Noticed>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(options: &FitOptions, observer: &'a mut dyn Observer) -> Watch<'a> {
        Watch { observer, is_allowed: options.allow_nonfinite, allowed: Vec::new() }
    }

    /// Gives it back if training must end.
    fn notice(&mut self, what: Nonfinite, at: &Progress) -> Option<Noticed> {
        let noticed = Noticed { what, epoch: at.epoch, step: at.step, n_steps: at.n_steps };
        if !self.is_allowed {
            return Some(noticed);
        }
        if !self.allowed.iter().any(|known| known.what.kind() == noticed.what.kind()) {
            self.observer.nonfinite_allowed(&noticed);
            self.allowed.push(noticed);
        }
        None
    }
}

/// Why training ends before its time.
pub(crate) struct Failure {
    pub(crate) noticed: Noticed,
    /// The validation, if it is that.
    pub(crate) validation: Option<Evaluation>,
}

/// How an epoch's steps end.
enum EpochEnd {
    Finished,
    Stopped,
    Nonfinite(Noticed),
}

/// What the epochs of one run share.
pub(crate) struct Fit<'a, 'data> {
    pub(crate) network: &'a mut dyn Network,
    pub(crate) feed: &'a mut Feed<'data>,
    pub(crate) options: &'a FitOptions,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) watch: Watch<'a>,
    pub(crate) steps: Steps,
    pub(crate) step_ms: Vec<f32>,
}

impl Fit<'_, '_> {
    /// Trains all epochs; `start` gets the state at the start of the last one begun.
    pub(crate) fn epochs(
        &mut self,
        n_train: usize,
        validation: &[u32],
        report: &mut FitReport,
        start: &mut SavedState,
    ) -> Result<Option<Failure>, TrainError> {
        let n_steps = n_train.div_ceil(self.options.batch_size);
        self.check_given_state(n_steps)?;
        for epoch in 1..=self.options.epochs {
            if !self.options.allow_nonfinite {
                self.network.save_state(start)?;
            }
            let (progress, end) = self.epoch(epoch, n_steps)?;
            let noticed = match end {
                EpochEnd::Nonfinite(noticed) => Some(noticed),
                EpochEnd::Finished => self.check_state(&progress)?,
                EpochEnd::Stopped => {
                    report.stopped = Some(progress);
                    self.check_state(&progress)?
                }
            };
            if let Some(noticed) = noticed {
                return Ok(Some(Failure { noticed, validation: None }));
            }
            if report.stopped.is_some() {
                break;
            }
            let (record, validation, scores) = self.validated(progress, validation)?;
            report.validation = scores;
            self.watch.observer.epoch_done(&record);
            report.history.records.push(record);
            if let Some(loss) = validation.map(|validation| validation.loss).filter(|loss| !loss.is_finite())
                && let Some(noticed) = self.watch.notice(Nonfinite::ValidationLoss(loss), &progress)
            {
                return Ok(Some(Failure { noticed, validation }));
            }
        }
        Ok(None)
    }

    /// Trains one epoch.
    fn epoch(&mut self, epoch: usize, n_steps: usize) -> Result<(Progress, EpochEnd), TrainError> {
        self.watch.observer.epoch_started(epoch, n_steps);
        let has_accuracy = self.network.has_output("accuracy");
        let start = Instant::now();
        let (mut loss_sum, mut accuracy_sum) = (0.0, 0.0);
        let mut progress =
            Progress { epoch, step: 0, n_steps, samples: 0, loss: f64::NAN, accuracy: None, seconds: 0.0 };
        while progress.step < n_steps {
            if self.stop.load(Ordering::Relaxed) {
                return Ok((progress, EpochEnd::Stopped));
            }
            let Step { batch, time } = self.steps.make(self.network, self.feed)?;
            if batch == self.options.batch_size {
                self.step_ms.push(time.as_secs_f32() * 1e3);
            }
            progress.step += 1;
            progress.samples += batch;
            let loss = self.network.scalar(Mode::Train, batch, "loss")?;
            loss_sum += batch as f64 * loss;
            progress.loss = loss_sum / progress.samples as f64;
            if has_accuracy {
                accuracy_sum += correct(self.network.scalar(Mode::Train, batch, "accuracy")?, batch);
                progress.accuracy = Some(accuracy_sum / progress.samples as f64);
            }
            progress.seconds = start.elapsed().as_secs_f64();
            self.watch.observer.step_done(&progress);
            if !loss.is_finite()
                && let Some(noticed) = self.watch.notice(Nonfinite::Loss(loss), &progress)
            {
                return Ok((progress, EpochEnd::Nonfinite(noticed)));
            }
        }
        Ok((progress, EpochEnd::Finished))
    }

    /// Weights that were given have to be finite; what a run makes of infinite ones is no news.
    fn check_given_state(&mut self, n_steps: usize) -> Result<(), TrainError> {
        let state = self.network.nonfinite_state()?;
        let at = Progress { epoch: 1, step: 0, n_steps, samples: 0, loss: f64::NAN, accuracy: None, seconds: 0.0 };
        match state.is_empty() || self.watch.notice(Nonfinite::State(state.clone()), &at).is_none() {
            true => Ok(()),
            false => Err(TrainError::NonfiniteState(state)),
        }
    }

    fn check_state(&mut self, at: &Progress) -> Result<Option<Noticed>, TrainError> {
        let state = self.network.nonfinite_state()?;
        Ok(if state.is_empty() { None } else { self.watch.notice(Nonfinite::State(state), at) })
    }

    fn validated(
        &mut self,
        progress: Progress,
        samples: &[u32],
    ) -> Result<(EpochRecord, Option<Evaluation>, Option<Scores>), TrainError> {
        let start = Instant::now();
        let (validation, scores) = match samples.len() {
            0 => (None, None),
            n_samples => {
                let scoring = self.options.scoring.as_ref();
                let (validation, scores) = evaluate_next(self.network, self.feed, n_samples, scoring)?;
                (Some(validation), scores)
            }
        };
        let record = EpochRecord {
            epoch: progress.epoch,
            loss: progress.loss,
            accuracy: progress.accuracy,
            val_loss: validation.as_ref().map(|validation| validation.loss),
            val_accuracy: validation.as_ref().and_then(|validation| validation.accuracy),
            val_metrics: scores.as_ref().map(|scores| scores.values.clone()).unwrap_or_default(),
            seconds: progress.seconds + start.elapsed().as_secs_f64(),
        };
        Ok((record, validation, scores))
    }
}
