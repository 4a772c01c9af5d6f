//! The epoch again, with a look at everything after every step, to find where numbers stop being finite.
//!
//! Steps repeated from the same state, with the same batches, learning rate and step numbers, give the same bits.

use crate::batches::sizes_of;
use crate::data::Dataset;
use crate::epochs::{Steps, training_section};
use crate::error::TrainError;
use crate::feed::{Feed, Feeding, Loading, Section, with_feed};
use crate::fit_options::FitOptions;
use crate::network::Network;
use crate::nonfinite::{Cause, Nonfinite, Noticed, Search};
use graphc_driver::SavedState;
use graphc_ir::graph::Mode;
use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};

/// What there is to go by.
pub(crate) struct Suspicion<'a> {
    pub(crate) dataset: &'a Dataset,
    pub(crate) options: &'a FitOptions,
    /// The samples that are trained on.
    pub(crate) train: &'a [u32],
    pub(crate) noticed: &'a Noticed,
    /// The state after `from_step` steps of that epoch.
    pub(crate) start: &'a SavedState,
    /// 0, unless the run has gone on from a checkpoint in the middle of the epoch.
    pub(crate) from_step: usize,
    /// How often the learning rate has fallen.
    pub(crate) n_reductions: u32,
    pub(crate) stop: &'a AtomicBool,
}

/// The first step of an epoch after which something is not finite.
struct Culprit {
    /// From 1.
    step: usize,
    batch: usize,
    what: Nonfinite,
    before: SavedState,
}

/// How a repetition ended.
enum Repeated {
    With(Culprit),
    Stopped,
    Finite,
}

/// Repeats the epoch, from where this process has begun with it, up to the step in which something was noticed, and
/// explains the step that is to blame. Gives the state before that step, too, if it is not the first one repeated. The
/// network is left in any state.
pub(crate) fn search(
    network: &mut dyn Network,
    suspicion: &Suspicion<'_>,
) -> Result<(Search, Option<SavedState>), TrainError> {
    let Suspicion { dataset, options, train, noticed, start, from_step, stop, .. } = suspicion;
    network.restore_state(start)?;
    let section = training_section(options, noticed.epoch, train);
    let batches = section.batches.clone();
    let section = Section { batches: section.batches.after(*from_step), ..section };
    let sizes: Vec<_> = sizes_of(train.len(), options.batch_size).map(|batch| (Mode::Train, batch)).collect();
    let feeding = Feeding { dataset, sizes: &sizes, loading: Loading::Between };
    with_feed(network, feeding, iter::once(section), |network, feed| {
        let Culprit { step, batch, what, before } = match repeat(network, feed, &sizes, suspicion)? {
            Repeated::With(culprit) => culprit,
            Repeated::Stopped => return Ok((Search::Stopped, None)),
            Repeated::Finite => return Ok((Search::NotRepeated, None)),
        };
        // The inputs are still those of the step.
        network.restore_state(&before)?;
        let names = match &what {
            Nonfinite::State(tensors) => tensors.iter().map(|tensor| tensor.name.as_str()).collect(),
            _ => vec!["loss"],
        };
        let explanation = network.explain(Mode::Train, batch, &names, stop)?;
        let before = (step > from_step + 1).then_some(before);
        let in_batch = explanation.as_ref().and_then(|explanation| explanation.first.as_ref()?.sample);
        let sample = in_batch.and_then(|number| batches.get(step - 1).get(number)).map(|&sample| sample as usize);
        Ok((Search::Found(Box::new(Cause { step: Some(step), what, explanation, sample })), before))
    })
}

fn repeat(
    network: &mut dyn Network,
    feed: &mut Feed<'_>,
    sizes: &[(Mode, usize)],
    suspicion: &Suspicion<'_>,
) -> Result<Repeated, TrainError> {
    let Noticed { epoch, step: n_steps_done, n_steps, .. } = *suspicion.noticed;
    let mut steps = Steps::prepare(network, sizes, suspicion.options, n_steps)?;
    steps.go_to((epoch - 1) * n_steps + suspicion.from_step, suspicion.n_reductions);
    let mut before = SavedState::default();
    for step in suspicion.from_step + 1..=n_steps_done {
        if suspicion.stop.load(Ordering::Relaxed) {
            return Ok(Repeated::Stopped);
        }
        network.save_state(&mut before)?;
        let batch = steps.make(network, feed)?.batch;
        let loss = network.scalar(Mode::Train, batch, "loss")?;
        let state = network.nonfinite_state()?;
        let what = match (loss.is_finite(), state.is_empty()) {
            (true, true) => continue,
            (false, _) => Nonfinite::Loss(loss),
            (true, false) => Nonfinite::State(state),
        };
        return Ok(Repeated::With(Culprit { step, batch, what, before }));
    }
    Ok(Repeated::Finite)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::tests::{load, numbered};
    use crate::data::split::numbers;
    use crate::fit_error::{FitError, NonfiniteFit};
    use crate::history::EpochRecord;
    use crate::train::tests::{Toy, options};
    use crate::train::{FitReport, Observer, Progress, fit};

    /// What the loop told.
    #[derive(Default)]
    struct Told<'a> {
        allowed: Vec<String>,
        searches: Vec<String>,
        kept: Option<f32>,
        n_epochs: usize,
        stop_at: Option<(&'a AtomicBool, usize)>,
        n_steps: usize,
    }

    impl Observer for Told<'_> {
        fn step_done(&mut self, _: &Progress) {
            self.n_steps += 1;
            if let Some((stop, at)) = self.stop_at {
                stop.store(self.n_steps == at, Ordering::Relaxed);
            }
        }
        fn epoch_done(&mut self, _: &EpochRecord, _: bool) {
            self.n_epochs += 1;
        }
        fn nonfinite_allowed(&mut self, noticed: &Noticed) {
            self.allowed.push(noticed.to_string());
        }
        fn search_started(&mut self, noticed: &Noticed, kept: &SavedState) {
            self.searches.push(noticed.to_string());
            self.kept = kept.get("weight").map(|weight| weight.data[0]);
        }
    }

    /// Three steps an epoch, each of which raises the weight by `learning_rate`.
    fn run(toy: &mut Toy, told: &mut Told<'_>, options: FitOptions, scale: f64) -> Result<FitReport, FitError> {
        let (_folder, specs) = numbered(13);
        let data = load(&specs, scale, 0.2);
        let never = AtomicBool::new(false);
        let stop = told.stop_at.map_or(&never, |(stop, _)| stop);
        fit(toy, &data, &options, stop, told)
    }

    fn failure(toy: &mut Toy, told: &mut Told<'_>, options: FitOptions, scale: f64) -> NonfiniteFit {
        match run(toy, told, options, scale) {
            Err(FitError::Nonfinite(failure)) => *failure,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_loss_leads_to_the_step_that_made_the_weights_infinite() {
        for loading in [Loading::Between, Loading::Ahead] {
            let (mut toy, mut told) = (Toy::default(), Told::default());
            let options = FitOptions { learning_rate: 1e38, loading, ..options() };
            let failure = failure(&mut toy, &mut told, options, 1.0);
            // 3e38 after the first epoch, infinite after the fourth step.
            assert_eq!(failure.noticed.to_string(), "the loss is inf in epoch 2, step 2 of 3");
            let Search::Found(cause) = &failure.search else { panic!("{failure:?}") };
            assert_eq!((cause.step, cause.what.to_string()), (Some(1), "`weight` is inf".into()));
            // The second sample of the first batch of that epoch.
            let batches = training_section(&self::options(), 2, &numbers(0..10)).batches;
            assert_eq!(cause.sample, Some(batches.get(0)[1] as usize));
            assert!(failure.before_step.is_none(), "it is the epoch's first step");
            assert_eq!((toy.weight, told.kept), (3e38, Some(3e38)), "the state of the epoch's start");
            assert_eq!((failure.report.history.records.len(), told.n_epochs, told.n_steps), (1, 1, 5));
            assert_eq!(told.searches, [failure.noticed.to_string()]);
            assert_eq!(
                failure.to_string(),
                format!(
                    "training stopped: the loss is inf in epoch 2, step 2 of 3\n\
                     it begins in step 1: `weight` is inf\n\
                     first node: add `weight` (train, line 7)\n  its value is inf\n\
                     training sample {} of the data, from 0",
                    cause.sample.unwrap()
                )
            );
        }
    }

    #[test]
    fn weights_that_overflow_in_an_epochs_last_step_are_noticed_at_its_end() {
        let (mut toy, mut told) = (Toy::default(), Told::default());
        let failure = failure(&mut toy, &mut told, FitOptions { learning_rate: 1.2e38, ..options() }, 1.0);
        assert_eq!(
            failure.noticed.to_string(),
            "a tensor is not finite in epoch 1 after step 3 of 3:\n`weight` is inf"
        );
        let Search::Found(cause) = &failure.search else { panic!("{failure:?}") };
        assert_eq!(cause.step, Some(3));
        let before = failure.before_step.unwrap().get("weight").unwrap().data[0];
        assert_eq!((before, toy.weight), (1.2e38 + 1.2e38, 0.0));
        assert_eq!((failure.report.history.records.len(), told.n_epochs), (0, 0));
    }

    #[test]
    fn a_validation_loss_keeps_the_weights_of_the_epoch() {
        let (mut toy, mut told) = (Toy::default(), Told::default());
        let options = FitOptions { learning_rate: 0.25, ..options() };
        // Sums of pixels: 120 for the largest batch of training, 132 in validation, which overflows.
        let failure = failure(&mut toy, &mut told, options, 2.7e36);
        assert_eq!(failure.noticed.to_string(), "the validation loss is inf after epoch 1");
        let Search::Found(cause) = &failure.search else { panic!("{failure:?}") };
        assert_eq!((cause.step, cause.sample), (None, Some(11)));
        assert_eq!((toy.weight, told.kept), (0.75, Some(0.75)));
        assert_eq!((failure.report.history.records.len(), told.n_epochs), (1, 1), "the epoch counts");
    }

    #[test]
    fn a_stop_ends_the_search_but_not_the_check() {
        let stop = AtomicBool::new(false);
        let mut told = Told { stop_at: Some((&stop, 2)), ..Told::default() };
        let mut toy = Toy::default();
        let failure = failure(&mut toy, &mut told, FitOptions { learning_rate: 2e38, ..options() }, 1.0);
        assert_eq!(
            failure.noticed.to_string(),
            "a tensor is not finite in epoch 1 after step 2 of 3:\n`weight` is inf"
        );
        assert_eq!((&failure.search, toy.weight), (&Search::Stopped, 0.0));
        assert!(failure.to_string().ends_with("\nWhere that comes from was not looked for: stopped"), "{failure}");
        assert_eq!(failure.report.stopped.map(|at| at.step), Some(2));
    }

    #[test]
    fn what_does_not_repeat_is_said() {
        let mut toy = Toy { nan_in_call: Some(6), ..Toy::default() };
        let failure = failure(&mut toy, &mut Told::default(), options(), 1.0);
        // Call 4 is the first epoch's validation.
        assert_eq!(failure.noticed.to_string(), "the loss is NaN in epoch 2, step 2 of 3");
        assert_eq!(failure.search, Search::NotRepeated);
        assert_eq!(failure.to_string().lines().count(), 3, "{failure}");
    }

    #[test]
    fn what_is_allowed_is_told_once_a_kind() {
        let (mut toy, mut told) = (Toy::default(), Told::default());
        let options = FitOptions { learning_rate: 1.2e38, epochs: 3, allow_nonfinite: true, ..options() };
        let report = run(&mut toy, &mut told, options, 1.0).unwrap();
        let expected = [
            "a tensor is not finite in epoch 1 after step 3 of 3:\n`weight` is inf",
            "the validation loss is inf after epoch 1",
            "the loss is inf in epoch 2, step 1 of 3",
        ];
        assert_eq!(told.allowed, expected);
        assert_eq!(report.nonfinite.iter().map(|allowed| allowed.message.clone()).collect::<Vec<_>>(), expected);
        assert_eq!((report.history.records.len(), toy.weight), (3, f32::INFINITY));
    }

    #[test]
    fn weights_to_start_from_are_looked_at() {
        let mut toy = Toy { weight: f32::NAN, ..Toy::default() };
        let error = run(&mut toy, &mut Told::default(), options(), 1.0).unwrap_err();
        assert_eq!(error.to_string(), "the weights to start from are not finite: `weight` is NaN");
        let mut told = Told::default();
        let options = FitOptions { allow_nonfinite: true, ..options() };
        run(&mut toy, &mut told, options, 1.0).unwrap();
        assert_eq!(told.allowed[0], "a tensor is not finite in epoch 1 after step 0 of 3:\n`weight` is NaN");
    }
}
