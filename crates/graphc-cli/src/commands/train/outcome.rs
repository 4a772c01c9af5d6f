//! What a training comes to: weights, results of the test, the receipt's end.

use super::work::Prepared;
use crate::error::CliError;
use graphc::experiment;
use graphc_train::run::FileHash;
use graphc_train::run::receipt::TestScores;
use graphc_train::run_folder::{LAST, WEIGHTS};
use graphc_train::weights::encode_weights;
use graphc_train::{Dataset, Evaluation, FitOptions, FitReport, Network, Portion, Scores, evaluate_scored};

/// Files of weights that a run ends with.
pub(in crate::commands) struct WeightFiles {
    /// `model.safetensors`.
    pub(in crate::commands) model: Vec<u8>,
    /// `last.safetensors`, if it is another.
    pub(in crate::commands) last: Option<Vec<u8>>,
}

impl WeightFiles {
    /// After a training.
    pub(in crate::commands) fn new(run: &mut Prepared, report: &FitReport) -> Result<WeightFiles, CliError> {
        let fitted = run.train.fitted();
        let model = encode_weights(&experiment::weights(&mut run.session)?, fitted)?;
        let last = report.last.clone().map(|last| encode_weights(&experiment::named(last), fitted));
        Ok(WeightFiles { model, last: last.transpose()? })
    }
}

/// Ends the receipt of a run that is over.
pub(in crate::commands) fn finish_receipt(report: &mut FitReport, tested: Option<&Tested>, weights: &WeightFiles) {
    let (Some(receipt), Some(ended)) = (&mut report.receipt, report.ended) else { return };
    let test = tested.map(|Tested { evaluation, scores }| TestScores {
        loss: evaluation.loss,
        accuracy: evaluation.accuracy,
        metrics: scores.as_ref().map(|scores| scores.values.clone()).unwrap_or_default(),
    });
    let files = [(WEIGHTS, Some(&weights.model)), (LAST, weights.last.as_ref())];
    let files = files.into_iter().filter_map(|(name, bytes)| Some((name.to_string(), FileHash::of_bytes(bytes?))));
    receipt.finish(ended, report.best, test, files.collect());
}

/// What the test samples say of the network.
pub(in crate::commands) struct Tested {
    pub(super) evaluation: Evaluation,
    /// Metrics beside accuracy, if there are any.
    pub(super) scores: Option<Scores>,
}

/// Loss, accuracy and other metrics of the test samples, if there are any and the training came to its end.
pub(in crate::commands) fn test(
    network: &mut dyn Network,
    test: Option<&Dataset>,
    options: &FitOptions,
    is_over: bool,
) -> Result<Option<Tested>, CliError> {
    let scoring = options.scoring.as_ref();
    match test {
        Some(test) if is_over => {
            let portion = Portion { dataset: test, samples: &test.split().train, batch_size: options.batch_size };
            let (evaluation, scores) = evaluate_scored(network, portion, options.loading, scoring)?;
            Ok(Some(Tested { evaluation, scores }))
        }
        _ => Ok(None),
    }
}

/// What the run took beside its steps.
#[derive(Clone, Copy)]
pub(super) struct Costs {
    /// From the start of the process to the end of its first step.
    pub(super) first_step_ms: Option<f64>,
    pub(super) peak_rss_mb: Option<f64>,
}
