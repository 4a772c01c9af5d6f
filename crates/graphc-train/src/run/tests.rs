//! Trainings that end early, and trainings that go on from a checkpoint, on a network whose arithmetic a reader can follow.

use super::checkpoint::{Checkpoint, CheckpointEvery};
use super::{Best, EarlyStopping, Ended};
use crate::data::dataset::tests::{load, numbered};
use crate::history::EpochRecord;
use crate::nonfinite::{FitError, Search};
use crate::train::tests::{Toy, options};
use crate::train::{FitOptions, FitReport, Observer, Progress, fit, fit_from};
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
    fit_from(toy, &data, options, from, stop, keeper).unwrap()
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
        ..options()
    }
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
    let Err(FitError::Nonfinite(failure)) = fit_from(&mut Toy::default(), &data, &early, Some(from), &stop, &mut ())
    else {
        panic!("it fails as before")
    };
    assert_eq!(failure.noticed.to_string(), "the loss is inf in epoch 2, step 2 of 3");
    assert_eq!(failure.search, Search::Found(expected));
}

#[test]
fn a_checkpoint_of_other_epochs_is_refused() {
    let (_folder, specs) = numbered(10);
    let data = load(&specs, 1.0, 0.2);
    let mut keeper = Keeper::default();
    run(&mut Toy::default(), &eventful(), None, &mut keeper);
    let from = keeper.checkpoints.pop();
    let stop = AtomicBool::new(false);
    let error = fit_from(&mut Toy::default(), &data, &eventful(), from, &stop, &mut ()).unwrap_err();
    assert_eq!(error.to_string(), "the checkpoint is of epochs of 3 steps, but these have 2");
}
