//! Metrics that are computed on the host, from predictions and targets of validation and test.
//!
//! What is counted (`Tally`) are numbers of samples, and sums in the order of the samples: the result depends neither
//! on the batch size nor on threads. A metric is a file with a `Rule` and a line in `RULES`: its name, what it needs
//! counted, and its value. `accuracy` is none of them: the step itself computes it, in training too.
//!
//! A class is predicted by the first of the largest numbers of a row, NaN being greater than any; yes by a number above
//! a half. A quotient whose divisor is 0, such as the precision of a class that is never predicted, is 0, as in
//! scikit-learn.

mod auc;
mod confusion_matrix;
mod decisions;
mod f1;
mod mae;
mod mse;
mod outcome;
mod perplexity;
mod precision;
mod r2;
mod recall;
mod rmse;
mod rule;
mod tally;
mod top_k;

use crate::error::TrainError;
pub use outcome::{Form, Outcome, Reading};
use rule::Rule;
pub use tally::{ClassCounts, ClassTotals, Confusion, Targets};
use tally::{Needs, Tally};

const RULES: &[Rule] = &[
    top_k::RULE,
    precision::RULE,
    recall::RULE,
    f1::RULE,
    auc::RULE,
    perplexity::RULE,
    confusion_matrix::RULE,
    mae::RULE,
    mse::RULE,
    rmse::RULE,
    r2::RULE,
];

/// What is to be measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Scoring {
    prediction: String,
    target: String,
    outcome: Outcome,
    reading: Reading,
    /// Names of which [`find`] knows each.
    metrics: Vec<String>,
    /// Outputs of the network that are losses of their own.
    losses: Vec<String>,
    class_names: Vec<String>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Metrics that are numbers, by name, in the order in which they were asked for.
    pub values: Vec<(String, f64)>,
    /// How the classes were predicted, if a metric needs it.
    pub classes: Option<ClassCounts>,
}

impl Scoring {
    /// Metrics of those names, `accuracy` left out, of an output and an input of a network; nothing if none is left.
    ///
    /// # Errors
    /// If there is no metric of one of the names, or it is none of such an outcome.
    pub fn new<'a>(
        prediction: &str,
        target: &str,
        outcome: Outcome,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<Scoring>, TrainError> {
        let mut metrics = Vec::new();
        for name in names.into_iter().filter(|&name| name != "accuracy") {
            let (rule, _) = find(name).ok_or_else(|| TrainError::Mismatch(format!("there is no metric `{name}`")))?;
            let fits = match rule.needs {
                Needs::Ranks => matches!(outcome, Outcome::Class(_)),
                Needs::Classes => outcome != Outcome::Values,
                Needs::Order => outcome == Outcome::YesOrNo,
                Needs::Likelihood => matches!(outcome, Outcome::Class(_)),
                Needs::Differences | Needs::Variance => true,
            };
            if !fits {
                return Err(TrainError::Mismatch(format!("`{name}` is no metric of such predictions")));
            }
            metrics.push(name.to_string());
        }
        let scoring = Scoring { outcome, metrics, ..Scoring::of_nothing(prediction, target) };
        Ok((!scoring.metrics.is_empty()).then_some(scoring))
    }

    /// No metrics yet.
    fn of_nothing(prediction: &str, target: &str) -> Scoring {
        Scoring {
            prediction: prediction.into(),
            target: target.into(),
            outcome: Outcome::Values,
            reading: Reading::default(),
            metrics: Vec::new(),
            losses: Vec::new(),
            class_names: Vec::new(),
        }
    }

    /// The metrics, if there are any, and the losses whose sum is the network's loss, each by itself: scalar outputs,
    /// whose values come first.
    pub fn with_losses(scoring: Option<Scoring>, losses: &[String]) -> Option<Scoring> {
        if losses.is_empty() {
            return scoring;
        }
        let scoring = scoring.unwrap_or_else(|| Scoring::of_nothing("", ""));
        Some(Scoring { losses: losses.to_vec(), ..scoring })
    }

    /// How predictions and targets are to be read.
    #[must_use]
    pub fn read_as(self, reading: Reading) -> Scoring {
        Scoring { reading, ..self }
    }

    /// Names of the outputs that are losses of their own.
    pub(crate) fn losses(&self) -> &[String] {
        &self.losses
    }

    /// Whether something is counted of predictions.
    pub(crate) fn reads_predictions(&self) -> bool {
        !self.metrics.is_empty()
    }

    /// What the classes are called where they are told of; else by their numbers.
    pub fn name_classes(&mut self, names: &[String]) {
        self.class_names = names.to_vec();
    }

    /// Name of the network's output.
    pub(crate) fn prediction(&self) -> &str {
        &self.prediction
    }

    /// Name of the input that it is compared with.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// The rule of every metric, its name, and the number behind it.
    fn rules(&self) -> impl Iterator<Item = (&str, &'static Rule, usize)> {
        self.metrics.iter().filter_map(|name| find(name).map(|(rule, number)| (name.as_str(), rule, number)))
    }

    fn needs(&self, what: Needs) -> bool {
        self.rules().any(|(_, rule, _)| rule.needs == what)
    }
}

/// Counts samples batch by batch.
pub struct Scorer<'a> {
    scoring: &'a Scoring,
    tally: Tally,
    /// Sums over samples of each loss.
    losses: Vec<f64>,
    n_samples: usize,
}

impl<'a> Scorer<'a> {
    /// Before the first sample.
    pub fn new(scoring: &'a Scoring) -> Scorer<'a> {
        let tally = Tally::new(scoring.outcome, scoring.reading, &scoring.class_names);
        Scorer { scoring, tally, losses: vec![0.0; scoring.losses.len()], n_samples: 0 }
    }

    /// Counts the losses of the next samples, in the order of [`Scoring::with_losses`].
    pub(crate) fn add_losses(&mut self, n_samples: usize, losses: impl IntoIterator<Item = f64>) {
        self.losses.iter_mut().zip(losses).for_each(|(sum, loss)| *sum += n_samples as f64 * loss);
        self.n_samples += n_samples;
    }

    /// Counts the next samples, of which both are row-major.
    pub fn add(&mut self, predictions: &[f32], targets: &Targets) {
        if self.scoring.needs(Needs::Classes) {
            self.tally.count_classes(predictions, targets);
        }
        if self.scoring.needs(Needs::Ranks) {
            self.tally.count_ranks(predictions, targets);
        }
        if self.scoring.needs(Needs::Differences) || self.scoring.needs(Needs::Variance) {
            self.tally.sum_differences(predictions, targets);
        }
        if self.scoring.needs(Needs::Order) {
            self.tally.keep_decisions(predictions, targets);
        }
        if self.scoring.needs(Needs::Likelihood) {
            self.tally.sum_likelihoods(predictions, targets);
        }
    }

    /// The metrics of all samples so far.
    pub fn scores(self) -> Scores {
        let Scorer { scoring, tally, losses, n_samples } = self;
        let losses = losses.into_iter().map(|sum| sum / n_samples as f64);
        let losses = scoring.losses.iter().cloned().zip(losses);
        let values =
            scoring.rules().filter_map(|(name, rule, number)| Some((name.to_string(), rule.value?(&tally, number))));
        let values = losses.chain(values).collect();
        Scores { values, classes: scoring.needs(Needs::Classes).then_some(tally.classes) }
    }
}

/// The metric of that name, and the number behind it.
fn find(name: &str) -> Option<(&'static Rule, usize)> {
    RULES.iter().find_map(|rule| match (rule.is_family, name.strip_prefix(rule.name)?) {
        (false, "") => Some((rule, 0)),
        (true, digits) => digits.parse().ok().filter(|&number: &usize| number > 0).map(|number| (rule, number)),
        _ => None,
    })
}

/// Whether a metric of that name is better when it is lower.
pub fn is_error(name: &str) -> bool {
    // One of several losses is called so.
    let is_loss = name.ends_with("_loss");
    is_loss || find(name).is_some_and(|(rule, _)| matches!(rule.needs, Needs::Differences | Needs::Likelihood))
}

#[cfg(test)]
mod tests;
