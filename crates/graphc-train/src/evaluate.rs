//! Loss, accuracy and other metrics over a range of samples, in inference mode.

use crate::batches::{Batches, sizes_of};
use crate::data::Dataset;
use crate::error::TrainError;
use crate::feed::{Feed, Feeding, Loading, Section, with_feed};
use crate::metrics::{Scorer, Scores, Scoring, Targets};
use crate::network::{InputBuffer, Network};
use graphc_driver::Explanation;
use graphc_ir::DType;
use graphc_ir::graph::Mode;
use std::iter;
use std::sync::atomic::AtomicBool;

/// Averages over samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean loss.
    pub loss: f64,
    /// Share of correct predictions, if the network measures it.
    pub accuracy: Option<f64>,
    /// Number of samples.
    pub n_samples: usize,
    /// The first batch whose loss is not finite; then neither is the mean.
    pub nonfinite: Option<NonfiniteBatch>,
}

/// Samples that were evaluated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonfiniteBatch {
    /// How many samples were evaluated before them.
    pub first: usize,
    /// How many there are.
    pub n_samples: usize,
}

/// Runs the samples through the network at `batch_size`, the remainder in a smaller batch.
///
/// # Errors
/// If there are no samples or the network fails.
pub fn evaluate(
    network: &mut dyn Network,
    dataset: &Dataset,
    samples: &[u32],
    batch_size: usize,
    loading: Loading,
) -> Result<Evaluation, TrainError> {
    Ok(evaluate_scored(network, Portion { dataset, samples, batch_size }, loading, None)?.0)
}

/// Some samples of a dataset, in batches of one size, the last of which may be smaller.
#[derive(Clone, Copy)]
pub struct Portion<'a> {
    /// Where they are.
    pub dataset: &'a Dataset,
    /// Their numbers.
    pub samples: &'a [u32],
    /// Samples a batch.
    pub batch_size: usize,
}

/// The same, with the metrics of a scoring.
///
/// # Errors
/// If there are no samples or the network fails.
pub fn evaluate_scored(
    network: &mut dyn Network,
    portion: Portion<'_>,
    loading: Loading,
    scoring: Option<&Scoring>,
) -> Result<(Evaluation, Option<Scores>), TrainError> {
    let Portion { dataset, samples, batch_size } = portion;
    if samples.is_empty() || batch_size == 0 {
        return Err(TrainError::Mismatch("no samples to evaluate".into()));
    }
    let sizes: Vec<_> = sizes_of(samples.len(), batch_size).map(|batch| (Mode::Infer, batch)).collect();
    let section = Section::infer(Batches::in_order(samples.iter().copied(), batch_size));
    let feeding = Feeding { dataset, sizes: &sizes, loading };
    with_feed(network, feeding, iter::once(section), |network, feed| {
        evaluate_next(network, feed, samples.len(), scoring)
    })
}

/// Evaluates the next batches of a feed, which are those of so many samples.
pub(crate) fn evaluate_next(
    network: &mut dyn Network,
    feed: &mut Feed<'_>,
    n_samples: usize,
    scoring: Option<&Scoring>,
) -> Result<(Evaluation, Option<Scores>), TrainError> {
    let mut scorer = scoring.map(Scorer::new);
    let has_accuracy = network.has_output("accuracy");
    let (mut loss, mut n_correct) = (0.0, 0.0);
    let mut nonfinite = None;
    let mut next = 0;
    while next < n_samples {
        let batch = feed.next(network, Mode::Infer)?;
        network.step(Mode::Infer, batch)?;
        let batch_loss = network.scalar(Mode::Infer, batch, "loss")?;
        if !batch_loss.is_finite() {
            nonfinite.get_or_insert(NonfiniteBatch { first: next, n_samples: batch });
        }
        next += batch;
        loss += batch as f64 * batch_loss;
        if has_accuracy {
            n_correct += correct(network.scalar(Mode::Infer, batch, "accuracy")?, batch);
        }
        if let (Some(scorer), Some(scoring)) = (&mut scorer, scoring) {
            let losses = scoring.losses().iter().map(|name| network.scalar(Mode::Infer, batch, name));
            scorer.add_losses(batch, losses.collect::<Result<Vec<f64>, _>>()?);
            if scoring.reads_predictions() {
                let predictions = network.output(Mode::Infer, batch, scoring.prediction())?;
                scorer.add(&predictions.data, &targets(network, batch, scoring.target())?);
            }
        }
    }
    let n = n_samples as f64;
    let accuracy = has_accuracy.then_some(n_correct / n);
    let evaluation = Evaluation { loss: loss / n, accuracy, n_samples, nonfinite };
    Ok((evaluation, scorer.map(Scorer::scores)))
}

/// Why a loss that [`evaluate`](evaluate()) found for those samples is not finite: the first batch with such a
/// loss, in the graph interpreter; nothing if all losses are finite, or `stop` became true. With the number of the
/// sample in the data set, if the first value that is not finite belongs to one.
///
/// # Errors
/// If the network fails.
pub fn explain_evaluation(
    network: &mut dyn Network,
    dataset: &Dataset,
    samples: &[u32],
    evaluation: &Evaluation,
    stop: &AtomicBool,
) -> Result<Option<(Explanation, Option<usize>)>, TrainError> {
    let Some(batch) = evaluation.nonfinite else { return Ok(None) };
    let (n_samples, samples) = (batch.n_samples, &samples[batch.first..][..batch.n_samples]);
    let section = Section::infer(Batches::in_order(samples.iter().copied(), n_samples));
    let sizes = [(Mode::Infer, n_samples)];
    let feeding = Feeding { dataset, sizes: &sizes, loading: Loading::Between };
    with_feed(network, feeding, iter::once(section), |network, feed| {
        feed.next(network, Mode::Infer)?;
        let explanation = network.explain(Mode::Infer, n_samples, &["loss"], stop)?;
        Ok(explanation.map(|explanation| {
            let sample = explanation.first.as_ref().and_then(|first| first.sample);
            (explanation, sample.and_then(|sample| samples.get(sample)).map(|&sample| sample as usize))
        }))
    })
}

/// What the batch's predictions are compared with: an input, from where the network keeps it, or what it computes.
fn targets(network: &mut dyn Network, batch: usize, name: &str) -> Result<Targets, TrainError> {
    if network.has_output(name) && !network.has_input(Mode::Infer, batch, name)? {
        return Ok(Targets::Values(network.output(Mode::Infer, batch, name)?.data));
    }
    let InputBuffer { dtype, layout, words } = network.input_buffer(Mode::Infer, batch, name)?;
    let words = layout.unpack(words).into_iter();
    Ok(match dtype {
        DType::I32 => Targets::Labels(words.map(u32::cast_signed).collect()),
        DType::F32 => Targets::Values(words.map(f32::from_bits).collect()),
    })
}

/// Number of correct samples of a batch. Counts add up exactly, the rounded shares of batches would not. Where a sample
/// has several labels it counts for the share of them that is right, and the number need not be whole.
pub(crate) fn correct(accuracy: f64, batch: usize) -> f64 {
    let (n, rounding) = (accuracy * batch as f64, 1e-6 * batch as f64);
    let whole = n.round();
    if (n - whole).abs() <= rounding { whole } else { n }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::tests::{load, numbered};
    use crate::train::tests::Toy;

    #[test]
    fn weighs_the_remainder_by_its_samples() {
        let (_folder, specs) = numbered(7);
        let data = load(&specs, 1.0, 0.0);
        for loading in [Loading::Between, Loading::Ahead] {
            let mut toy = Toy::default();
            let result = evaluate(&mut toy, &data, &data.split().train, 4, loading).unwrap();
            assert_eq!(toy.calls, [(Mode::Infer, 4), (Mode::Infer, 3)]);
            assert!((result.loss - 3.0).abs() < 1e-6, "{result:?}");
            assert!((result.accuracy.unwrap() - 3.0 / 7.0).abs() < 1e-6, "{result:?}");
            assert!(evaluate(&mut toy, &data, &[], 4, loading).is_err());
        }
    }
}
