//! The training loop: epochs of shuffled batches, validation after each.

pub use crate::fit_options::FitOptions;
pub use crate::fit_report::FitReport;
pub use crate::observer::{Observer, Supervision};
pub use crate::run::Progress;

use crate::batches::{Batches, sizes_of};
use crate::data::{Dataset, Split};
use crate::epochs::{Failure, Fit, Start, Steps, Watch, training_section};
use crate::error::TrainError;
use crate::evaluate::{Evaluation, explain_evaluation};
use crate::feed::{Feeding, Section, with_feed};
use crate::fit_error::{FitError, NonfiniteFit};
use crate::network::{Network, Weights};
use crate::nonfinite::{Cause, Noticed, Search};
use crate::run::checkpoint::{Checkpoint, Pace};
use crate::run::{Receipt, RunState};
use crate::search::{Suspicion, search};
use graphc_driver::SavedState;
use graphc_ir::graph::Mode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
    use crate::feed::Loading;
    use crate::history::EpochRecord;
    use crate::network::{InputBuffer, NetworkError};
    use crate::run::checkpoint::CheckpointEvery;
    use graphc_driver::{Explanation, NodeFacts, NonfiniteTensor};
    use graphc_ir::graph::Origin;
    use graphc_ir::loops::Layout;
    use graphc_ir::{DType, RateSchedule, Tensor};
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
            accumulate: 1,
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
