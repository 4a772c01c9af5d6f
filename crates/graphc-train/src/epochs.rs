//! The steps of the epochs, and what is looked at between them.

use crate::batches::Batches;
use crate::data::augment::EpochKey;
use crate::error::TrainError;
use crate::evaluate::{Evaluation, correct, evaluate_next};
use crate::feed::{Feed, Section};
use crate::fit_options::FitOptions;
use crate::history::EpochRecord;
use crate::metrics::Scores;
use crate::network::{Network, Weights};
use crate::nonfinite::{Allowed, Nonfinite, Noticed};
use crate::observer::Observer;
use crate::rate::Rates;
use crate::run::checkpoint::{Checkpoint, Pace};
use crate::run::{Ended, Progress, RunState};
use graphc_driver::SavedState;
use graphc_ir::graph::Mode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The batches of an epoch.
pub(crate) fn training_section(options: &FitOptions, epoch: usize, train: &[u32]) -> Section {
    let FitOptions { batch_size, seed, shuffle, .. } = *options;
    let batches = match shuffle {
        true => Batches::shuffled(train.iter().copied(), batch_size, seed, epoch),
        false => Batches::in_order(train.iter().copied(), batch_size),
    };
    Section { mode: Mode::Train, batches, epoch: Some(EpochKey { seed, epoch: epoch as u64 }) }
}

/// Makes training steps, each with its number and its learning rate.
pub(crate) struct Steps {
    /// Whether the step has the input `step`, which dropout reads.
    reads_step: bool,
    reads_rate: bool,
    rates: Rates,
    n_reductions: u32,
    n_done: usize,
    /// The rate that the step of each batch size has been given: inputs keep their values from step to step.
    given: Vec<(usize, f32)>,
    /// Of the last step that was made; 0 if the network has none.
    last_rate: f32,
}

/// One step that was made.
pub(crate) struct Step {
    /// Its number of samples.
    pub(crate) batch: usize,
    pub(crate) time: Duration,
}

impl Steps {
    /// For epochs of `n_steps`.
    pub(crate) fn prepare(
        network: &mut dyn Network,
        sizes: &[(Mode, usize)],
        options: &FitOptions,
        n_steps: usize,
    ) -> Result<Steps, TrainError> {
        let (mut reads_step, mut reads_rate) = (false, false);
        for &(mode, batch) in sizes.iter().filter(|(mode, _)| *mode == Mode::Train) {
            reads_rate |= network.has_input(mode, batch, "learning_rate")?;
            reads_step |= network.has_input(mode, batch, "step")?;
        }
        let FitOptions { epochs, accumulate, learning_rate: base, .. } = *options;
        let rates = Rates { schedule: options.schedule.clone(), base, n_steps, epochs, accumulate };
        Ok(Steps { reads_step, reads_rate, rates, n_reductions: 0, n_done: 0, given: Vec::new(), last_rate: 0.0 })
    }

    /// Goes on with the step of that number, from 0; the rate has fallen so often until then.
    pub(crate) fn go_to(&mut self, step: usize, n_reductions: u32) {
        (self.n_done, self.n_reductions) = (step, n_reductions);
    }

    /// The rate of the last step that was made, as one writes it.
    fn rate(&self) -> f64 {
        let rate = self.rates.at(self.n_done.saturating_sub(1), self.n_reductions);
        rate.to_string().parse().unwrap_or(f64::from(rate))
    }

    /// Trains on the next batch.
    pub(crate) fn make(&mut self, network: &mut dyn Network, feed: &mut Feed<'_>) -> Result<Step, TrainError> {
        let batch = feed.next(network, Mode::Train)?;
        if self.reads_rate {
            self.give_rate(network, batch)?;
        }
        if self.reads_step {
            network.set_input_i32(Mode::Train, batch, "step", &[self.n_done as i32])?;
        }
        let start = Instant::now();
        network.step(Mode::Train, batch)?;
        self.n_done = self.n_done.wrapping_add(1);
        Ok(Step { batch, time: start.elapsed() })
    }

    fn give_rate(&mut self, network: &mut dyn Network, batch: usize) -> Result<(), TrainError> {
        let rate = self.rates.at(self.n_done, self.n_reductions);
        self.last_rate = rate;
        match self.given.iter_mut().find(|(known, _)| *known == batch) {
            Some((_, given)) if given.to_bits() == rate.to_bits() => return Ok(()),
            Some((_, given)) => *given = rate,
            None => self.given.push((batch, rate)),
        }
        Ok(network.set_input_f32(Mode::Train, batch, "learning_rate", &[rate])?)
    }
}

/// Decides what happens when a number is not finite.
pub(crate) struct Watch<'a> {
    observer: &'a mut dyn Observer,
    is_allowed: bool,
    /// What was let pass, each kind once.
    pub(crate) allowed: Vec<Allowed>,
}

impl<'a> Watch<'a> {
    /// `allowed` was let pass already.
    pub(crate) fn new(options: &FitOptions, observer: &'a mut dyn Observer, allowed: Vec<Allowed>) -> Watch<'a> {
        Watch { observer, is_allowed: options.allow_nonfinite, allowed }
    }

    /// Gives it back if training must end.
    fn notice(&mut self, what: Nonfinite, at: &Progress) -> Option<Noticed> {
        let noticed = Noticed { what, epoch: at.epoch, step: at.step, n_steps: at.n_steps };
        if !self.is_allowed {
            return Some(noticed);
        }
        if !self.allowed.iter().any(|known| known.kind == noticed.what.kind()) {
            self.observer.nonfinite_allowed(&noticed);
            self.allowed.push((&noticed).into());
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

/// What training goes back to when a number is not finite.
#[derive(Default)]
pub(crate) struct Start {
    pub(crate) state: SavedState,
    /// Steps of the epoch that had been made.
    pub(crate) from_step: usize,
}

/// The training of a run from its state on.
pub(crate) struct Fit<'a, 'data> {
    pub(crate) network: &'a mut dyn Network,
    pub(crate) feed: &'a mut Feed<'data>,
    pub(crate) options: &'a FitOptions,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) watch: Watch<'a>,
    pub(crate) steps: Steps,
    pub(crate) step_ms: Vec<f32>,
    pub(crate) state: &'a mut RunState,
    /// Weights of the best epoch, if they are to be kept.
    pub(crate) best: &'a mut Option<Arc<Weights>>,
    pub(crate) pace: Pace,
    /// Where it was stopped, if it was.
    pub(crate) stopped: Option<Progress>,
    /// The metrics of the last validation.
    pub(crate) scores: Option<Scores>,
}

impl Fit<'_, '_> {
    /// Trains all epochs; `start` gets the state at the start of the last one begun.
    pub(crate) fn epochs(&mut self, validation: &[u32], start: &mut Start) -> Result<Option<Failure>, TrainError> {
        self.check_given_state()?;
        self.record_start(start)?;
        if self.state.steps_done() == 0 && self.state.ended.is_none() {
            self.checkpoint_if(Pace::is_wanted)?;
        }
        while self.state.ended.is_none() {
            if !self.options.allow_nonfinite {
                self.network.save_state(&mut start.state)?;
                start.from_step = self.state.step;
            }
            let end = self.epoch()?;
            let progress = self.state.progress();
            self.stopped = matches!(end, EpochEnd::Stopped).then_some(progress);
            let noticed = match end {
                EpochEnd::Nonfinite(noticed) => Some(noticed),
                EpochEnd::Finished | EpochEnd::Stopped => self.check_state(&progress)?,
            };
            if let Some(noticed) = noticed {
                return Ok(Some(Failure { noticed, validation: None }));
            }
            if self.stopped.is_some() {
                self.checkpoint()?;
                return Ok(None);
            }
            if let Some(failure) = self.finish_epoch(progress, validation, start)? {
                return Ok(Some(failure));
            }
        }
        Ok(None)
    }

    /// Trains what is left of an epoch.
    fn epoch(&mut self) -> Result<EpochEnd, TrainError> {
        self.watch.observer.epoch_started(self.state.epoch, self.state.n_steps);
        let (start, seconds_before) = (Instant::now(), self.state.seconds);
        self.steps.go_to(self.state.steps_done(), self.state.course.n_reductions);
        let has_accuracy = self.network.has_output("accuracy");
        while self.state.step < self.state.n_steps {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(EpochEnd::Stopped);
            }
            let Step { batch, time } = self.steps.make(self.network, self.feed)?;
            if batch == self.options.batch_size {
                self.step_ms.push(time.as_secs_f32() * 1e3);
            }
            let loss = self.network.scalar(Mode::Train, batch, "loss")?;
            let state = &mut *self.state;
            state.step += 1;
            state.samples += batch;
            state.loss_sum += batch as f64 * loss;
            if has_accuracy {
                let n_correct = correct(self.network.scalar(Mode::Train, batch, "accuracy")?, batch);
                state.n_correct = Some(state.n_correct.unwrap_or(0.0) + n_correct);
            }
            state.seconds = seconds_before + start.elapsed().as_secs_f64();
            let progress = state.progress();
            self.watch.observer.step_measured(loss, self.steps.last_rate);
            self.watch.observer.step_done(&progress);
            if !loss.is_finite()
                && let Some(noticed) = self.watch.notice(Nonfinite::Loss(loss), &progress)
            {
                return Ok(EpochEnd::Nonfinite(noticed));
            }
            // The end of an epoch is looked at, and recorded, first.
            if self.state.step < self.state.n_steps {
                self.checkpoint_if(Pace::is_due_in_epoch)?;
            }
        }
        Ok(EpochEnd::Finished)
    }

    /// Takes the state before the first step down in the receipt.
    fn record_start(&mut self, start: &mut Start) -> Result<(), TrainError> {
        if let Some(receipt) = self.state.receipt.as_mut().filter(|receipt| receipt.epochs.is_empty()) {
            self.network.save_state(&mut start.state)?;
            self.watch.observer.recorded(receipt.started(&start.state));
        }
        Ok(())
    }

    /// Validates, records the epoch, and decides what follows. Then `start` has the next epoch's start, if there is a
    /// receipt: its memory is there, and the epoch's own start is not gone back to any more.
    fn finish_epoch(
        &mut self,
        progress: Progress,
        validation: &[u32],
        start: &mut Start,
    ) -> Result<Option<Failure>, TrainError> {
        let (record, validation, scores) = self.validated(progress, validation)?;
        self.scores = scores;
        let decision = self.state.course.epoch_done(&record, &self.options.watched())?;
        self.watch.observer.epoch_done(&record, decision.is_best);
        self.state.history.records.push(record);
        let loss = validation.map(|validation| validation.loss).filter(|loss| !loss.is_finite());
        if let Some(loss) = loss
            && let Some(noticed) = self.watch.notice(Nonfinite::ValidationLoss(loss), &progress)
        {
            return Ok(Some(Failure { noticed, validation }));
        }
        if decision.is_best && self.options.keep_best {
            *self.best = Some(Arc::new(self.network.weights()?));
        }
        if let (Some(receipt), Some(record)) = (&mut self.state.receipt, self.state.history.records.last()) {
            self.network.save_state(&mut start.state)?;
            self.watch.observer.recorded(receipt.epoch_done(record, &start.state));
        }
        self.state.begin_next_epoch();
        self.state.ended = match decision.stop {
            _ if self.state.epoch > self.options.epochs => Some(Ended::AllEpochs),
            true => Some(Ended::EarlyStopping),
            false => None,
        };
        self.checkpoint_if(Pace::is_due_after_epoch)?;
        Ok(None)
    }

    fn checkpoint_if(&mut self, is_due: fn(&Pace, &RunState) -> bool) -> Result<(), TrainError> {
        if is_due(&self.pace, self.state) { self.checkpoint() } else { Ok(()) }
    }

    fn checkpoint(&mut self) -> Result<(), TrainError> {
        let mut tensors = SavedState::default();
        self.network.save_state(&mut tensors)?;
        let (mut state, best) = (self.state.clone(), self.best.clone());
        state.nonfinite.clone_from(&self.watch.allowed);
        self.watch.observer.checkpoint(Checkpoint { state, tensors, best });
        self.pace.written();
        Ok(())
    }

    /// Weights that were given have to be finite; what a run makes of infinite ones is no news.
    fn check_given_state(&mut self) -> Result<(), TrainError> {
        let state = self.network.nonfinite_state()?;
        let at = self.state.progress();
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
            learning_rate: self.steps.rate(),
        };
        Ok((record, validation, scores))
    }
}
