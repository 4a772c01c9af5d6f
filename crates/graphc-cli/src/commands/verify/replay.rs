//! Training again what a receipt says, epoch by epoch beside it.

use super::super::train::Prepared;
use super::claims::Claims;
use super::failure::Failure;
use super::tensors::{self, Tensors};
use crate::error::CliError;
use crate::progress::{Reporter, Style};
use graphc::experiment;
use graphc_driver::SavedState;
use graphc_frontend::Experiment;
use graphc_ir::Tensor;
use graphc_train::run::files::{read_at, steps};
use graphc_train::run::receipt::{EpochEntry, InForce, Link, first_field};
use graphc_train::run::{Checkpoint, CheckpointEvery, Difference, RunState};
use graphc_train::{FitError, FitOptions, FitReport, Observer, Progress, Supervision, Weighted, fit_from};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What is to be trained again.
pub(super) struct Replay<'a> {
    pub(super) claims: &'a Claims,
    pub(super) experiment: &'a Experiment,
    pub(super) options: &'a FitOptions,
    pub(super) style: Style,
    /// First and last epoch.
    pub(super) stretch: (usize, usize),
}

/// What came of it.
pub(super) struct Replayed {
    pub(super) report: FitReport,
    /// Checkpoints of the run folder that are the same, by their steps.
    pub(super) checkpoints: BTreeSet<usize>,
}

impl Replay<'_> {
    /// Trains from `start` on, or from the first step, one stretch after the other in which the options are the same.
    pub(super) fn train(&self, run: &mut Prepared, start: Option<Checkpoint>) -> Result<Replayed, Failure> {
        let receipt = &self.claims.receipt;
        let n_steps = run.train.split().train.len().div_ceil(self.options.batch_size);
        let position =
            |(epoch, options): &(usize, &InForce)| (epoch - 1).saturating_mul(n_steps).saturating_add(options.step);
        let options: Vec<(usize, &InForce)> = receipt.options().collect();
        // Those that the checkpoint speaks of were in force already.
        let n_known = start.as_ref().and_then(|start| start.state.receipt.as_ref()).map_or(1, |r| r.options().count());
        let ends: Vec<Option<usize>> =
            options[n_known.min(options.len())..].iter().map(|o| Some(position(o))).collect();
        let kept: BTreeSet<usize> = steps(&self.claims.run).into_iter().collect();
        let stop = AtomicBool::new(false);
        let mut reporter = Reporter::new(self.style, receipt.epochs.len() - 1, &stop);
        let mut comparer = Comparer::new(self, &mut reporter, &stop, kept.clone());
        let class_weights = experiment::class_weights(self.experiment);
        let mut network = Weighted::new(&mut run.session, class_weights.as_ref());
        let mut from = start;
        let mut report = FitReport::default();
        for (number, until) in ends.into_iter().chain([None]).enumerate() {
            let (_, InForce { epochs, learning_rate, .. }) =
                options[(n_known.saturating_sub(1) + number).min(options.len() - 1)];
            let mut steps = kept.clone();
            steps.extend(until);
            let options = FitOptions {
                epochs: *epochs,
                learning_rate: *learning_rate,
                checkpoints: CheckpointEvery::At(steps),
                ..self.options.clone()
            };
            let at = from.as_ref().map_or(0, |from| from.state.steps_done());
            stop.store(until == Some(at), Ordering::Relaxed);
            comparer.until = until;
            let supervision = Supervision { stop: &stop, observer: &mut comparer };
            let result = fit_from(&mut network, &run.train, &options, from.clone(), supervision);
            if let Some(difference) = comparer.difference.take() {
                return Err(Failure::Difference(difference));
            }
            report = result.map_err(|error| match error {
                FitError::Train(error) => CliError::from(error),
                FitError::Nonfinite(failure) => CliError::new(failure.to_string()),
            })?;
            from = comparer.reached.take().or(from);
            if comparer.is_done {
                break;
            }
        }
        let Comparer { checkpoints, is_done, .. } = comparer;
        match reporter.error() {
            Some(CliError::ClosedPipe) => return Err(Failure::Error(CliError::ClosedPipe)),
            Some(error) => error.print(),
            None => {}
        }
        if !is_done {
            let message = format!("training again ends after epoch {}", report.history.records.len());
            let epoch = Some(report.history.records.len());
            return Err(Failure::Difference(Difference { epoch, tensor: None, message }));
        }
        Ok(Replayed { report, checkpoints })
    }
}

/// Compares what is trained with the receipt and with the checkpoints that were kept.
struct Comparer<'a, 'b> {
    replay: &'a Replay<'a>,
    reporter: &'a mut Reporter<'b>,
    stop: &'b AtomicBool,
    /// Steps of the checkpoints in the run folder.
    kept: BTreeSet<usize>,
    checkpoints: BTreeSet<usize>,
    /// After these steps other options come into force.
    until: Option<usize>,
    /// The state there.
    reached: Option<Checkpoint>,
    difference: Option<Difference>,
    /// The last epoch is done.
    is_done: bool,
    since: Instant,
}

impl<'a, 'b> Comparer<'a, 'b> {
    fn new(
        replay: &'a Replay<'a>,
        reporter: &'a mut Reporter<'b>,
        stop: &'b AtomicBool,
        kept: BTreeSet<usize>,
    ) -> Comparer<'a, 'b> {
        Comparer {
            replay,
            reporter,
            stop,
            kept,
            checkpoints: BTreeSet::new(),
            until: None,
            reached: None,
            difference: None,
            is_done: false,
            since: Instant::now(),
        }
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn found(&mut self, difference: Difference) {
        self.difference.get_or_insert(difference);
        self.stop();
    }

    fn say(&mut self, epoch: usize, n_tensors: usize) {
        let seconds = self.since.elapsed().as_secs_f64();
        let n_epochs = self.replay.claims.receipt.epochs.len() - 1;
        match self.replay.style {
            Style::Json => {
                let line = json!({ "epoch": epoch, "tensors": n_tensors, "same": true, "seconds": seconds });
                self.reporter.line(line.to_string());
            }
            _ => {
                self.reporter.line(format!("epoch {epoch:>2}/{n_epochs}  {seconds:.2} s  {n_tensors} tensors the same"))
            }
        }
    }
}

impl Observer for Comparer<'_, '_> {
    fn epoch_started(&mut self, epoch: usize, n_steps: usize) {
        self.since = Instant::now();
        self.reporter.epoch_started(epoch, n_steps);
    }

    fn step_done(&mut self, progress: &Progress) {
        self.reporter.step_done(progress);
    }

    fn recorded(&mut self, link: &Link<EpochEntry>) {
        self.reporter.clear();
        let EpochEntry { epoch, tensors, .. } = &link.entry;
        if let Some(difference) = self.replay.claims.receipt.difference(link) {
            return self.found(difference);
        }
        if *epoch > 0 {
            self.say(*epoch, tensors.len());
        }
        // Where the run is over, training ends by itself, with what it does then.
        let receipt = &self.replay.claims.receipt;
        if *epoch == self.replay.stretch.1 {
            self.is_done = true;
            if receipt.end.is_none() || epoch + 1 < receipt.epochs.len() {
                self.stop();
            }
        }
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        let step = checkpoint.state.steps_done();
        if self.difference.is_none() && self.kept.contains(&step) && !self.checkpoints.contains(&step) {
            match compare(&self.replay.claims.run, step, &checkpoint) {
                Ok(()) => {
                    self.checkpoints.insert(step);
                }
                Err(difference) => self.found(difference),
            }
        }
        if self.until == Some(step) {
            self.reached = Some(checkpoint);
            self.stop();
        }
    }
}

/// Compares a checkpoint with the file of the run.
fn compare(run: &std::path::Path, step: usize, again: &Checkpoint) -> Result<(), Difference> {
    let plain = |message: String| Difference { epoch: None, tensor: None, message };
    let (path, there, _) = read_at(run, step).map_err(|error| plain(error.to_string()))?;
    let differing = |difference: Option<Difference>| difference.map_or(Ok(()), |found| Err(found.in_file(&path)));
    let state =
        |state: &SavedState| -> Tensors { state.tensors().map(|(name, tensor)| (name.to_string(), tensor)).collect() };
    differing(tensors::difference(&state(&there.tensors), &state(&again.tensors)))?;
    let best = |checkpoint: &Checkpoint| -> Tensors {
        let best: Option<&Vec<(String, Tensor<f32>)>> = checkpoint.best.as_deref();
        best.into_iter().flatten().map(|(name, tensor)| (format!("best/{name}"), tensor.clone())).collect()
    };
    differing(tensors::difference(&best(&there), &best(again)))?;
    match first_field(&comparable(&there.state), &comparable(&again.state)) {
        Some((field, then, now)) => {
            let path = path.with_extension("json");
            Err(plain(format!("{}: `{field}` is {then} there, {now} trained again", path.display())))
        }
        None => Ok(()),
    }
}

/// What does not depend on time, or on whether the run was continued just there.
fn comparable(state: &RunState) -> Value {
    let mut history = state.history.clone();
    history.records.iter_mut().for_each(|record| record.seconds = 0.0);
    let RunState { epoch, step, n_steps, samples, .. } = state;
    json!({
        "epoch": epoch,
        "step": step,
        "n_steps": n_steps,
        "samples": samples,
        "loss_sum": state.loss_sum.to_string(),
        "n_correct": state.n_correct.map(|n| n.to_string()),
        "history": history,
        "best": state.course.best,
    })
}
