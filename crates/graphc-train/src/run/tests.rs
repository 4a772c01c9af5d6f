//! Trainings that end early, and trainings that go on from a checkpoint, on a network whose arithmetic a reader can
//! follow.

use super::checkpoint::{Checkpoint, CheckpointEvery};
use super::{Begin, Best, EarlyStopping, Ended, FileHash};
use crate::data::dataset::tests::{load, numbered};
use crate::fit_error::FitError;
use crate::history::EpochRecord;
use crate::nonfinite::{Noticed, Search};
use crate::train::tests::{Toy, options};
use crate::train::{FitOptions, FitReport, Observer, Progress, Supervision, fit, fit_from};
use crate::{Loading, RunState};
use graphc_ir::{Plateau, RateRule, RateSchedule, Warmup};
use std::sync::atomic::{AtomicBool, Ordering};

/// Keeps every checkpoint, and stops after some steps.
#[derive(Default)]
struct Keeper<'a> {
    checkpoints: Vec<Checkpoint>,
    best_epochs: Vec<usize>,
    n_steps: usize,
    stop_at: Option<(&'a AtomicBool, usize)>,
    allowed: Vec<String>,
}

impl Observer for Keeper<'_> {
    fn step_done(&mut self, _: &Progress) {
        self.n_steps += 1;
        if let Some((stop, at)) = self.stop_at {
            stop.store(self.n_steps == at, Ordering::Relaxed);
        }
    }
    fn epoch_done(&mut self, record: &EpochRecord, is_best: bool) {
        self.best_epochs.extend(is_best.then_some(record.epoch));
    }
    fn nonfinite_allowed(&mut self, noticed: &Noticed) {
        self.allowed.push(noticed.to_string());
    }
    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        // As a file holds it.
        let text = serde_json::to_string(&checkpoint.state).unwrap();
        let state = serde_json::from_str::<RunState>(&text).unwrap();
        self.checkpoints.push(Checkpoint { state, ..checkpoint });
    }
}

fn run(toy: &mut Toy, options: &FitOptions, from: Option<Checkpoint>, keeper: &mut Keeper<'_>) -> FitReport {
    let (_folder, specs) = numbered(13);
    let data = load(&specs, 1.0, 0.2);
    let never = AtomicBool::new(false);
    let stop = keeper.stop_at.map_or(&never, |(stop, _)| stop);
    fit_from(toy, &data, options, from, Supervision { stop, observer: keeper }).unwrap()
}

fn without_times(mut report: FitReport) -> FitReport {
    report.history.records.iter_mut().for_each(|record| record.seconds = 0.0);
    report.step_ms.clear();
    report
}

/// Everything that decides about the course: the loss rises with the weight.
fn eventful() -> FitOptions {
    let plateau =
        Plateau { monitor: "val_loss".into(), factor: 0.5, patience: 1, min_delta: 0.0, cooldown: 1, min_rate: 0.0 };
    FitOptions {
        epochs: 9,
        learning_rate: 0.25,
        schedule: RateSchedule { rule: RateRule::Plateau(plateau), warmup: Some(Warmup::Steps(4)) },
        early_stopping: Some(EarlyStopping { monitor: "val_loss".into(), patience: 5, min_delta: 0.0 }),
        keep_best: true,
        checkpoints: CheckpointEvery::Steps(1),
        receipt: Some(begin()),
        ..options()
    }
}

fn begin() -> Begin {
    let graph = FileHash::of_bytes(b"toy");
    Begin { graph, data: Vec::new(), init: None, seed: 1, batch_size: 4, limit: None }
}

#[test]
fn early_stopping_ends_a_training_and_the_best_epoch_is_kept() {
    let (mut toy, mut keeper) = (Toy::default(), Keeper::default());
    let options = FitOptions { schedule: RateSchedule::default(), ..eventful() };
    let report = run(&mut toy, &options, None, &mut keeper);
    assert_eq!((report.ended, report.history.records.len()), (Some(Ended::EarlyStopping), 6));
    assert_eq!((report.best, keeper.best_epochs), (Some(Best { epoch: 1, value: 11.75 }), vec![1]));
    // Three steps an epoch.
    assert_eq!((toy.weight, report.last.unwrap()[0].1.data[0]), (0.75, 4.5));

    let mut toy = Toy::default();
    let options = FitOptions { keep_best: false, epochs: 2, ..options };
    let report = run(&mut toy, &options, None, &mut Keeper::default());
    assert_eq!((report.ended, toy.weight), (Some(Ended::AllEpochs), 1.5));
    assert!(report.last.is_none() && report.best.is_some());
}

#[test]
fn rates_reach_the_steps_and_the_history() {
    let mut toy = Toy::default();
    let schedule = RateSchedule { rule: RateRule::Step { step_size: 1, gamma: 0.5 }, warmup: Some(Warmup::Steps(2)) };
    let options = FitOptions { learning_rate: 0.5, schedule, early_stopping: None, ..eventful() };
    let report = run(&mut toy, &FitOptions { epochs: 2, ..options }, None, &mut Keeper::default());
    // The last batch of an epoch has another size; the first epoch is the best.
    assert_eq!(toy.weight, 0.25 + 0.5 + 0.5);
    let rates: Vec<f64> = report.history.records.iter().map(|record| record.learning_rate).collect();
    assert_eq!(rates, [0.5, 0.25]);
}

#[test]
fn a_training_goes_on_from_any_step_as_if_nothing_had_been() {
    for loading in [Loading::Between, Loading::Ahead] {
        let options = FitOptions { loading, ..eventful() };
        let (mut whole, mut keeper) = (Toy::default(), Keeper::default());
        let expected = without_times(run(&mut whole, &options, None, &mut keeper));
        assert_eq!(keeper.checkpoints.len(), 1 + 6 * 3, "at the start, and after every step");
        for checkpoint in keeper.checkpoints {
            let n_done = checkpoint.state.steps_done();
            let mut toy = Toy::default();
            let report = without_times(run(&mut toy, &options, Some(checkpoint), &mut Keeper::default()));
            assert_eq!(report, expected, "from step {n_done}");
            assert_eq!(toy.weight.to_bits(), whole.weight.to_bits());
            assert!(whole.labels_seen.ends_with(&toy.labels_seen));
        }
    }
}

#[test]
fn a_stop_makes_a_checkpoint_and_more_epochs_go_on() {
    let options =
        FitOptions { early_stopping: None, keep_best: false, checkpoints: CheckpointEvery::Never, ..eventful() };
    // A receipt says that more epochs were wanted later.
    let options = FitOptions { receipt: None, ..options };
    let mut whole = Toy::default();
    let expected = without_times(run(&mut whole, &options, None, &mut Keeper::default()));
    let stop = AtomicBool::new(false);
    let mut keeper = Keeper { stop_at: Some((&stop, 5)), ..Keeper::default() };
    let report = run(&mut Toy::default(), &options, None, &mut keeper);
    assert_eq!((report.stopped.unwrap().epoch, report.stopped.unwrap().step, report.ended), (2, 2, None));
    let checkpoint = keeper.checkpoints.pop().unwrap();
    assert!(keeper.checkpoints.is_empty());
    let mut toy = Toy::default();
    let report = without_times(run(&mut toy, &options, Some(checkpoint), &mut Keeper::default()));
    assert_eq!((&report, toy.weight), (&expected, whole.weight));

    // A run that is over has nothing left to do, or more.
    let short = FitOptions { epochs: 4, checkpoints: CheckpointEvery::Steps(1000), ..options.clone() };
    let mut keeper = Keeper::default();
    run(&mut Toy::default(), &short, None, &mut keeper);
    let over = keeper.checkpoints.pop().unwrap();
    assert_eq!(over.state.ended, Some(Ended::AllEpochs));
    let mut toy = Toy::default();
    let report = run(&mut toy, &short, Some(over.clone()), &mut Keeper::default());
    assert_eq!((report.ended, report.history.records.len(), toy.calls.len()), (Some(Ended::AllEpochs), 4, 0));
    let report = without_times(run(&mut toy, &options, Some(over), &mut Keeper::default()));
    assert_eq!((report, toy.weight), (expected, whole.weight));
}

#[test]
fn a_search_begins_where_the_run_has_gone_on() {
    let options = FitOptions { learning_rate: 1e38, checkpoints: CheckpointEvery::Steps(1), ..options() };
    let (_folder, specs) = numbered(13);
    let data = load(&specs, 1.0, 0.2);
    let mut keeper = Keeper::default();
    let stop = AtomicBool::new(false);
    let failure = match fit(&mut Toy::default(), &data, &options, &stop, &mut keeper) {
        Err(FitError::Nonfinite(failure)) => failure,
        other => panic!("{other:?}"),
    };
    // The fourth step makes the weight infinite, the fifth notices that.
    let Search::Found(expected) = failure.search else { panic!("{:?}", failure.search) };
    let from = keeper.checkpoints.into_iter().find(|checkpoint| checkpoint.state.steps_done() == 2).unwrap();
    let early = FitOptions { epochs: 9, ..options };
    let Err(FitError::Nonfinite(failure)) =
        fit_from(&mut Toy::default(), &data, &early, Some(from), Supervision { stop: &stop, observer: &mut () })
    else {
        panic!("it fails as before")
    };
    assert_eq!(failure.noticed.to_string(), "the loss is inf in epoch 2, step 2 of 3");
    assert_eq!(failure.search, Search::Found(expected));
}

/// The state before the first step, then every epoch, with the options where they changed.
#[test]
fn a_receipt_has_every_epoch_and_what_came_into_force() {
    let options = FitOptions { early_stopping: None, keep_best: false, epochs: 2, ..eventful() };
    let mut keeper = Keeper::default();
    let report = run(&mut Toy::default(), &options, None, &mut keeper);
    let receipt = report.receipt.unwrap();
    let epochs: Vec<usize> = receipt.epochs.iter().map(|link| link.entry.epoch).collect();
    assert_eq!(epochs, [0, 1, 2]);
    let weights: Vec<&String> = receipt.epochs.iter().map(|link| &link.entry.tensors["weight"]).collect();
    assert!(weights[0] != weights[1] && weights[1] != weights[2]);
    // In the middle of the second epoch, and after the last one.
    let middle = keeper.checkpoints[4].clone();
    assert_eq!((middle.state.epoch, middle.state.step), (2, 1));
    let changed = FitOptions { learning_rate: 0.125, ..options.clone() };
    let report = run(&mut Toy::default(), &changed, Some(middle), &mut keeper);
    let receipt = report.receipt.unwrap();
    let in_force: Vec<(usize, usize, f64)> = receipt.options().map(|(e, o)| (e, o.step, o.learning_rate)).collect();
    assert_eq!(in_force, [(1, 0, 0.25), (2, 1, 0.125)]);
    let over = keeper.checkpoints.pop();
    assert!(over.as_ref().unwrap().state.ended.is_some());
    let again = run(&mut Toy::default(), &options, over.clone(), &mut keeper);
    assert_eq!(again.receipt.unwrap().epochs, receipt.epochs, "what is over does not get other options");
    let more = run(&mut Toy::default(), &FitOptions { epochs: 3, ..changed }, over, &mut keeper);
    let receipt = more.receipt.unwrap();
    let in_force: Vec<(usize, usize, usize)> = receipt.options().map(|(e, o)| (e, o.step, o.epochs)).collect();
    assert_eq!(in_force, [(1, 0, 2), (2, 1, 2), (3, 0, 3)]);
}

#[test]
fn what_was_let_pass_is_not_told_again() {
    let options = FitOptions { learning_rate: 1.2e38, epochs: 3, allow_nonfinite: true, ..options() };
    let options = FitOptions { checkpoints: CheckpointEvery::Steps(1), ..options };
    let mut keeper = Keeper::default();
    let whole = run(&mut Toy::default(), &options, None, &mut keeper);
    assert_eq!((keeper.allowed.len(), whole.nonfinite.len()), (3, 3));
    for checkpoint in std::mem::take(&mut keeper.checkpoints) {
        let n_told = checkpoint.state.nonfinite.len();
        let mut after = Keeper::default();
        let report = run(&mut Toy::default(), &options, Some(checkpoint), &mut after);
        assert_eq!(report.nonfinite, whole.nonfinite);
        assert_eq!(after.allowed, keeper.allowed[n_told..]);
    }
}

#[test]
fn a_checkpoint_of_other_epochs_is_refused() {
    let (_folder, specs) = numbered(10);
    let data = load(&specs, 1.0, 0.2);
    let mut keeper = Keeper::default();
    run(&mut Toy::default(), &eventful(), None, &mut keeper);
    let from = keeper.checkpoints.pop();
    let stop = AtomicBool::new(false);
    let error = fit_from(&mut Toy::default(), &data, &eventful(), from, Supervision { stop: &stop, observer: &mut () })
        .unwrap_err();
    assert_eq!(error.to_string(), "the checkpoint is of epochs of 3 steps, but these have 2");
}
