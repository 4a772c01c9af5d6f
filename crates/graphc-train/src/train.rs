//! The training loop: epochs of shuffled batches, validation after each.

use crate::batches::{Batches, sizes_of};
use crate::data::{Dataset, Split};
use crate::epochs::{Failure, Fit, Start, Steps, Watch, training_section};
use crate::error::TrainError;
use crate::evaluate::Evaluation;
use crate::feed::{Feeding, Loading, Section, with_feed};
use crate::history::{EpochRecord, History};
use crate::metrics::{Scores, Scoring};
use crate::network::{Network, Weights};
use crate::nonfinite::{Allowed, Cause, FitError, NonfiniteFit, Noticed, Search, explain_evaluation};
use crate::run::checkpoint::{Checkpoint, CheckpointEvery, Pace};
use crate::run::receipt::{EpochEntry, Link};
use crate::run::{Begin, Best, EarlyStopping, Ended, Receipt, RunState};
use crate::search::{Suspicion, search};
use graphc_driver::SavedState;
use graphc_ir::graph::Mode;
use graphc_ir::{RateRule, RateSchedule};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
    /// Whether training ends when nothing becomes better any more.
    pub early_stopping: Option<EarlyStopping>,
    /// Whether the network has the best epoch's weights in the end.
    pub keep_best: bool,
    /// Whether validation, and the weights in the end, are those of averages that the network keeps.
    pub infer_averages: bool,
    /// How often [`Observer::checkpoint`] is called.
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
        let plateau = match &self.schedule.rule {
            RateRule::Plateau(plateau) => Some(plateau.monitor.as_str()),
            _ => None,
        };
        let watched = [plateau, self.early_stopping.as_ref().map(|stopping| stopping.monitor.as_str())];
        match watched.into_iter().flatten().find(|monitor| monitor.starts_with("val_")) {
            Some(monitor) if !is_validated => Err(TrainError::Mismatch(format!(
                "`{monitor}` is watched, but there are no validation samples: set `validation_split`, or watch `loss`"
            ))),
            _ => Ok(()),
        }
    }

    /// The column of the history that says which epoch is the best.
    pub fn monitor(&self, is_validated: bool) -> &str {
        match (&self.early_stopping, is_validated) {
            (Some(stopping), _) => &stopping.monitor,
            (None, true) => "val_loss",
            (None, false) => "loss",
        }
    }
}

/// Where an epoch stands after a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// From 1.
    pub epoch: usize,
    /// Steps of this epoch done.
    pub step: usize,
    /// Steps of an epoch.
    pub n_steps: usize,
    /// Samples of this epoch seen.
    pub samples: usize,
    /// Mean loss over them.
    pub loss: f64,
    /// Mean accuracy over them, if the network measures it.
    pub accuracy: Option<f64>,
    /// Seconds since the epoch began.
    pub seconds: f64,
}

/// Is told what happens.
pub trait Observer {
    /// An epoch (from 1) of that many steps begins.
    fn epoch_started(&mut self, _epoch: usize, _n_steps: usize) {}
    /// A step was made, with that loss of its batch, at that learning rate (0 if the network has none). Next comes
    /// [`Observer::step_done`].
    fn step_measured(&mut self, _loss: f64, _learning_rate: f32) {}
    /// A step was made.
    fn step_done(&mut self, _progress: &Progress) {}
    /// An epoch ended; validation is done. It may be the best so far, if that is looked at.
    fn epoch_done(&mut self, _record: &EpochRecord, _is_best: bool) {}
    /// The receipt has another entry: the state before the first step, or an epoch.
    fn recorded(&mut self, _entry: &Link<EpochEntry>) {}
    /// The training can go on from here: [`fit_from`].
    fn checkpoint(&mut self, _checkpoint: Checkpoint) {}
    /// Something is not finite, for the first time of its kind, and [`FitOptions::allow_nonfinite`].
    fn nonfinite_allowed(&mut self, _noticed: &Noticed) {}
    /// Something is not finite, and its cause is going to be looked for, which may take minutes and much memory.
    /// `kept` is what the network will be left with.
    fn search_started(&mut self, _noticed: &Noticed, _kept: &SavedState) {}
}

/// Hears nothing.
impl Observer for () {}

/// What came of it; the weights are in the network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FitReport {
    /// The finished epochs.
    pub history: History,
    /// Where it was stopped early, if it was.
    pub stopped: Option<Progress>,
    /// Milliseconds of every step of full batch size, in order.
    pub step_ms: Vec<f32>,
    /// The metrics of the last validation, if [`FitOptions::scoring`] asks for some.
    pub validation: Option<Scores>,
    /// What was not finite and was let pass, the first of each kind.
    pub nonfinite: Vec<Allowed>,
    /// Why it is over, if it is.
    pub ended: Option<Ended>,
    /// The best epoch, if that was looked at.
    pub best: Option<Best>,
    /// The last epoch's weights, where the network has the best one's.
    pub last: Option<Weights>,
    /// The receipt as far as it goes, if there is one; whoever writes the weights ends it.
    pub receipt: Option<Receipt>,
}

impl FitReport {
    /// Median of the steps' milliseconds, if there was a step of full size.
    pub fn step_ms_median(&self) -> Option<f64> {
        let mut sorted: Vec<f64> = self.step_ms.iter().map(|&ms| f64::from(ms)).collect();
        sorted.sort_by(f64::total_cmp);
        (!sorted.is_empty()).then(|| crate::history::quantile(&sorted, 0.5))
    }
}

/// Numbers of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// That are trained on.
    pub train: usize,
    /// That validate.
    pub validation: usize,
    /// That test.
    pub test: usize,
}

/// Batch sizes that training, validation and testing will use, for compiling them beforehand: `(mode, batch)`.
pub fn batch_sizes(counts: Counts, batch_size: usize) -> Vec<(Mode, usize)> {
    let mut sizes = Vec::new();
    let parts = [(Mode::Train, counts.train), (Mode::Infer, counts.validation), (Mode::Infer, counts.test)];
    for (mode, n) in parts {
        for batch in sizes_of(n, batch_size) {
            if !sizes.contains(&(mode, batch)) {
                sizes.push((mode, batch));
            }
        }
    }
    sizes
}

/// Trains until the epochs are over or `stop` becomes true; then the current step is still finished.
///
/// What training changes is copied at the start of every epoch, unless [`FitOptions::allow_nonfinite`]; that takes as
/// much memory once more.
///
/// # Errors
/// If the options leave nothing to train on, the network fails, or a number is not finite that must be.
pub fn fit(
    network: &mut dyn Network,
    dataset: &Dataset,
    options: &FitOptions,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<FitReport, FitError> {
    fit_from(network, dataset, options, None, Supervision { stop, observer })
}

/// Who is told of a training, and may end it.
pub struct Supervision<'a> {
    /// When it becomes true, the current step is still finished.
    pub stop: &'a AtomicBool,
    /// What is told of every step and epoch.
    pub observer: &'a mut dyn Observer,
}

/// As [`fit`], from a checkpoint on: what comes of it has the same bits as if the training had not been interrupted.
///
/// # Errors
/// As [`fit`], or if the checkpoint is of a training with other epochs.
pub fn fit_from(
    network: &mut dyn Network,
    dataset: &Dataset,
    options: &FitOptions,
    from: Option<Checkpoint>,
    supervision: Supervision<'_>,
) -> Result<FitReport, FitError> {
    let Supervision { stop, observer } = supervision;
    options.check(dataset.split())?;
    let Split { train, validation } = dataset.split();
    let n_steps = train.len().div_ceil(options.batch_size);
    let (mut state, mut best) = begin(network, options, from, n_steps)?;
    let counts = Counts { train: train.len(), validation: validation.len(), test: 0 };
    let sizes = batch_sizes(counts, options.batch_size);
    let sections = sections(dataset, options, (state.epoch, state.step));
    let feeding = Feeding { dataset, sizes: &sizes, loading: options.loading };
    let mut start = Start::default();
    let (mut report, failure) = with_feed(network, feeding, sections, |network, feed| {
        let steps = Steps::prepare(network, &sizes, options, n_steps)?;
        let watch = Watch::new(options, observer, std::mem::take(&mut state.nonfinite));
        let pace = Pace::new(options.checkpoints.clone());
        let (state, best) = (&mut state, &mut best);
        let mut fit = Fit {
            network,
            feed,
            options,
            stop,
            watch,
            steps,
            step_ms: Vec::new(),
            state,
            best,
            pace,
            stopped: None,
            scores: None,
        };
        let failure = fit.epochs(validation, &mut start)?;
        let (stopped, step_ms, nonfinite, validation) = (fit.stopped, fit.step_ms, fit.watch.allowed, fit.scores);
        Ok((FitReport { stopped, step_ms, nonfinite, validation, ..FitReport::default() }, failure))
    })?;
    let n_reductions = state.course.n_reductions;
    (report.ended, report.best, report.history) = (state.ended, state.course.best, state.history);
    report.receipt = state.receipt;
    let Some(Failure { noticed, validation }) = failure else {
        if let Some(best) = best.filter(|_| report.ended.is_some() && options.keep_best) {
            report.last = Some(network.weights()?);
            network.infer_averages(false);
            network.set_weights(&best)?;
        }
        return Ok(report);
    };
    if validation.is_some() {
        network.save_state(&mut start.state)?;
    }
    let Start { state: ref start, from_step } = start;
    observer.search_started(&noticed, start);
    let suspicion = Suspicion { dataset, options, train, noticed: &noticed, start, from_step, n_reductions, stop };
    let (search, before_step) = explained(network, &suspicion, validation)?;
    Err(FitError::Nonfinite(Box::new(NonfiniteFit { report, noticed, search, before_step })))
}

/// The batches of all epochs that are left, from that epoch on after so many steps: those to train on, then those to
/// validate on.
fn sections<'a>(
    dataset: &'a Dataset,
    options: &'a FitOptions,
    (first_epoch, n_done): (usize, usize),
) -> impl Iterator<Item = Section> + Send + 'a {
    let Split { train, validation } = dataset.split();
    (first_epoch..=options.epochs).flat_map(move |epoch| {
        let mut training = training_section(options, epoch, train);
        if epoch == first_epoch {
            training.batches = training.batches.after(n_done);
        }
        let validation = Batches::in_order(validation.iter().copied(), options.batch_size);
        [training, Section::infer(validation)]
    })
}

/// Where a number that is not finite comes from: of a validation, if it was noticed there, else of a step.
fn explained(
    network: &mut dyn Network,
    suspicion: &Suspicion<'_>,
    validation: Option<Evaluation>,
) -> Result<(Search, Option<SavedState>), TrainError> {
    let Suspicion { dataset, noticed, start, stop, .. } = suspicion;
    match validation {
        Some(evaluation) => Ok((explain_validation(network, dataset, &evaluation, noticed, stop)?, None)),
        None => {
            let found = search(network, suspicion)?;
            network.restore_state(start)?;
            Ok(found)
        }
    }
}

/// Brings the network to where the training is to go on, and gives the rest of that.
fn begin(
    network: &mut dyn Network,
    options: &FitOptions,
    from: Option<Checkpoint>,
    n_steps: usize,
) -> Result<(RunState, Option<Arc<Weights>>), TrainError> {
    network.infer_averages(options.infer_averages);
    let Some(Checkpoint { mut state, tensors, best }) = from else {
        let mut state = RunState::new(options.epochs, n_steps);
        state.receipt = options.receipt.clone().map(Receipt::new);
        state.note_options(options.learning_rate);
        return Ok((state, None));
    };
    if state.n_steps != n_steps {
        let message = format!("the checkpoint is of epochs of {} steps, but these have {n_steps}", state.n_steps);
        return Err(TrainError::Mismatch(message));
    }
    network.restore_state(&tensors)?;
    state.want(options.epochs, options.learning_rate);
    Ok((state, best))
}

fn explain_validation(
    network: &mut dyn Network,
    dataset: &Dataset,
    evaluation: &Evaluation,
    noticed: &Noticed,
    stop: &AtomicBool,
) -> Result<Search, TrainError> {
    let (explanation, sample) =
        explain_evaluation(network, dataset, &dataset.split().validation, evaluation, stop)?.unzip();
    let what = noticed.what.clone();
    Ok(Search::Found(Box::new(Cause { step: None, what, explanation, sample: sample.flatten() })))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::data::dataset::tests::{load, numbered};
    use crate::network::{InputBuffer, NetworkError};
    use graphc_driver::{Explanation, NodeFacts, NonfiniteTensor};
    use graphc_ir::graph::Origin;
    use graphc_ir::loops::Layout;
    use graphc_ir::{DType, Tensor};
    use std::collections::BTreeMap;
    use std::sync::atomic::Ordering;

    /// Loss: mean of all pixels of the batch plus the weight, which a training step raises by `learning_rate`.
    /// Accuracy: share of samples of class 0.
    #[derive(Default)]
    pub(crate) struct Toy {
        pub(crate) weight: f32,
        /// The call whose loss is wrong.
        pub(crate) nan_in_call: Option<usize>,
        pub(crate) calls: Vec<(Mode, usize)>,
        pub(crate) labels_seen: Vec<i32>,
        pub(crate) inputs: BTreeMap<(&'static str, usize, String), Vec<f32>>,
        pub(crate) buffers: BTreeMap<(&'static str, usize, String), (Layout, Vec<u32>)>,
        pub(crate) loss: f32,
        pub(crate) accuracy: f32,
    }

    impl Network for Toy {
        fn set_input_f32(&mut self, mode: Mode, batch: usize, name: &str, values: &[f32]) -> Result<(), NetworkError> {
            self.inputs.insert((mode.name(), batch, name.into()), values.to_vec());
            Ok(())
        }

        fn set_input_i32(&mut self, mode: Mode, batch: usize, name: &str, values: &[i32]) -> Result<(), NetworkError> {
            let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
            self.set_input_f32(mode, batch, name, &values)
        }

        fn input_buffer(&mut self, mode: Mode, batch: usize, name: &str) -> Result<InputBuffer<'_>, NetworkError> {
            let (dtype, layout) = match name {
                "image" => (DType::F32, Layout::new(&[batch, 2, 2, 1], Some(0))),
                _ => (DType::I32, Layout::new(&[batch], Some(0))),
            };
            let words = vec![0; layout.len()];
            let buffer = self.buffers.entry((mode.name(), batch, name.into())).or_insert((layout, words));
            Ok(InputBuffer { dtype, layout: &buffer.0, words: &mut buffer.1 })
        }

        fn has_input(&mut self, mode: Mode, _: usize, name: &str) -> Result<bool, NetworkError> {
            Ok(mode == Mode::Train && name == "learning_rate")
        }

        fn step(&mut self, mode: Mode, batch: usize) -> Result<(), NetworkError> {
            self.calls.push((mode, batch));
            for (key, (layout, words)) in &self.buffers {
                let tensor = layout.unpack(words).into_iter();
                let values = match key.2.as_str() {
                    "image" => tensor.map(f32::from_bits).collect(),
                    _ => tensor.map(|word| word as f32).collect(),
                };
                self.inputs.insert(key.clone(), values);
            }
            let input = |name: &str| &self.inputs[&(mode.name(), batch, name.to_string())];
            let (pixels, labels) = (input("image"), input("label"));
            assert_eq!((pixels.len(), labels.len()), (4 * batch, batch));
            self.loss = self.weight + pixels.iter().sum::<f32>() / pixels.len() as f32;
            if self.nan_in_call == Some(self.calls.len()) {
                self.loss = f32::NAN;
            }
            self.accuracy = labels.iter().filter(|&&label| label == 0.0).count() as f32 / batch as f32;
            if mode == Mode::Train {
                self.weight += input("learning_rate")[0];
            }
            self.labels_seen.extend(labels.iter().map(|&label| label as i32));
            Ok(())
        }

        fn output(&self, _: Mode, batch: usize, name: &str) -> Result<Tensor<f32>, NetworkError> {
            match name {
                "loss" => Ok(Tensor::scalar(f64::from(self.loss))),
                "accuracy" => Ok(Tensor::scalar(f64::from(self.accuracy))),
                "image" => Ok(Tensor::new(vec![batch, 4], self.inputs[&("infer", batch, name.to_string())].clone())),
                _ => Err(NetworkError(format!("no output `{name}`"))),
            }
        }

        fn has_output(&self, name: &str) -> bool {
            ["loss", "accuracy", "image"].contains(&name)
        }

        fn save_state(&mut self, saved: &mut SavedState) -> Result<(), NetworkError> {
            saved.set("weight", &Tensor::scalar(f64::from(self.weight)));
            Ok(())
        }

        fn restore_state(&mut self, saved: &SavedState) -> Result<(), NetworkError> {
            self.weight = saved.get("weight").unwrap().data[0];
            Ok(())
        }

        fn weights(&mut self) -> Result<Weights, NetworkError> {
            Ok(vec![("weight".into(), Tensor::scalar(f64::from(self.weight)))])
        }

        fn set_weights(&mut self, weights: &Weights) -> Result<(), NetworkError> {
            self.weight = weights[0].1.data[0];
            Ok(())
        }

        fn infer_averages(&mut self, _: bool) {}

        fn nonfinite_state(&mut self) -> Result<Vec<NonfiniteTensor>, NetworkError> {
            let weight = Tensor::<f32>::scalar(f64::from(self.weight));
            Ok(NonfiniteTensor::find("weight", &weight).into_iter().collect())
        }

        /// It is said to be the second sample of the batch.
        fn explain(
            &mut self,
            mode: Mode,
            _: usize,
            names: &[&str],
            _: &AtomicBool,
        ) -> Result<Option<Explanation>, NetworkError> {
            let first = NodeFacts {
                op: "add",
                name: names.join(" "),
                origin: Origin::layer(mode.name(), 7),
                len: 1,
                n_nonfinite: 1,
                index: Vec::new(),
                value: f32::INFINITY,
                sample: Some(1),
                in_f64: None,
                operands: Vec::new(),
                parameter: None,
            };
            Ok(Some(Explanation { first: Some(first), first_nan: None, largest: None, subnormal: None }))
        }
    }

    pub(crate) fn options() -> FitOptions {
        FitOptions {
            epochs: 2,
            batch_size: 4,
            learning_rate: 0.0,
            shuffle: true,
            seed: 1,
            loading: Loading::Between,
            allow_nonfinite: false,
            scoring: None,
            schedule: RateSchedule::default(),
            early_stopping: None,
            keep_best: false,
            infer_averages: false,
            checkpoints: CheckpointEvery::Never,
            receipt: None,
        }
    }

    #[derive(Default)]
    struct Log<'a> {
        steps: Vec<Progress>,
        records: Vec<EpochRecord>,
        started: Vec<(usize, usize)>,
        stop_at: Option<(&'a AtomicBool, usize)>,
    }

    impl Observer for Log<'_> {
        fn epoch_started(&mut self, epoch: usize, n_steps: usize) {
            self.started.push((epoch, n_steps));
        }
        fn step_done(&mut self, progress: &Progress) {
            self.steps.push(*progress);
            if let Some((stop, at)) = self.stop_at {
                stop.store(self.steps.len() == at, Ordering::Relaxed);
            }
        }
        fn epoch_done(&mut self, record: &EpochRecord, _: bool) {
            self.records.push(record.clone());
        }
    }

    #[test]
    fn averages_are_weighted_by_samples_and_the_remainder_is_trained_on() {
        let (_folder, specs) = numbered(13);
        let data = load(&specs, 0.5, 0.2);
        let (mut toy, mut log) = (Toy::default(), Log::default());
        let report = fit(&mut toy, &data, &options(), &AtomicBool::new(false), &mut log).unwrap();
        // 10 for training (4 + 4 + 2), 3 for validation.
        let epoch = [(Mode::Train, 4), (Mode::Train, 4), (Mode::Train, 2), (Mode::Infer, 3)];
        assert_eq!(toy.calls, [epoch, epoch].concat());
        assert_eq!(
            batch_sizes(Counts { train: 10, validation: 3, test: 8 }, 4),
            [(Mode::Train, 4), (Mode::Train, 2), (Mode::Infer, 3), (Mode::Infer, 4)]
        );
        let record = &report.history.records[1];
        // Samples 0..10, scaled by a half: mean 2.25; classes 0 are 0, 3, 6, 9. Validation: 10, 11, 12.
        assert!((record.loss - 2.25).abs() < 1e-6, "{record:?}");
        assert!((record.accuracy.unwrap() - 0.4).abs() < 1e-6);
        assert_eq!(record.val_loss, Some(5.5));
        assert!((record.val_accuracy.unwrap() - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(log.started, [(1, 3), (2, 3)]);
        assert_eq!(log.steps.iter().map(|progress| progress.samples).collect::<Vec<_>>(), [4, 8, 10, 4, 8, 10]);
        assert_eq!(log.records, report.history.records);
        assert_eq!(report.step_ms.len(), 4);
        assert!(report.stopped.is_none() && report.step_ms_median().is_some());
        let (first, second) = (&toy.labels_seen[..10], &toy.labels_seen[13..23]);
        assert_ne!(first, second, "each epoch has its own order");
    }

    #[test]
    fn the_learning_rate_reaches_the_step() {
        let (_folder, specs) = numbered(10);
        let data = load(&specs, 1.0, 0.0);
        let mut toy = Toy::default();
        let options = FitOptions { learning_rate: 0.25, shuffle: false, ..options() };
        let report = fit(&mut toy, &data, &options, &AtomicBool::new(false), &mut ()).unwrap();
        assert_eq!(toy.weight, 1.5);
        assert_eq!(report.history.records[0].val_loss, None);
        assert_eq!(toy.labels_seen[..4], [0, 1, 2, 0]);
    }

    #[test]
    fn loading_ahead_changes_nothing() {
        let (_folder, specs) = numbered(23);
        let data = load(&specs, 0.5, 0.2);
        let run = |loading| {
            let (mut toy, mut log) = (Toy::default(), Log::default());
            let options = FitOptions { epochs: 3, learning_rate: 0.125, loading, ..options() };
            fit(&mut toy, &data, &options, &AtomicBool::new(false), &mut log).unwrap();
            let losses: Vec<u64> = log.steps.iter().map(|progress| progress.loss.to_bits()).collect();
            let validation: Vec<_> = log.records.iter().map(|record| (record.val_loss, record.val_accuracy)).collect();
            (losses, validation, toy.calls, toy.labels_seen, toy.weight.to_bits())
        };
        assert_eq!(run(Loading::Ahead), run(Loading::Between));
    }

    #[test]
    fn stopping_finishes_the_step() {
        let (_folder, specs) = numbered(13);
        let data = load(&specs, 1.0, 0.2);
        for loading in [Loading::Between, Loading::Ahead] {
            let stop = AtomicBool::new(false);
            let mut log = Log { stop_at: Some((&stop, 5)), ..Log::default() };
            let mut toy = Toy::default();
            let report = fit(&mut toy, &data, &FitOptions { loading, ..options() }, &stop, &mut log).unwrap();
            assert_eq!(report.history.records.len(), 1);
            let stopped = report.stopped.unwrap();
            assert_eq!((stopped.epoch, stopped.step, stopped.samples), (2, 2, 8));
            assert_eq!(toy.calls.last(), Some(&(Mode::Train, 4)));
        }
    }

    #[test]
    fn nothing_to_train_on() {
        let (_folder, specs) = numbered(1);
        let data = load(&specs, 1.0, 0.2);
        let error = fit(&mut Toy::default(), &data, &options(), &AtomicBool::new(false), &mut ()).unwrap_err();
        assert_eq!(error.to_string(), "no samples to train on: of 1, all validate");
    }
}
