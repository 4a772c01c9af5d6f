//! Metrics that are computed on the host, from predictions and targets of validation and test.
//!
//! What is counted (`Tally`) are numbers of samples, and sums in the order of the samples: the result depends neither
//! on the batch size nor on threads. A metric is a file with a `Rule` and a line in `RULES`: its name, what it needs
//! counted, and its value. `accuracy` is none of them: the step itself computes it, in training too.
//!
//! A class is predicted by the first of the largest numbers of a row, NaN being greater than any; yes by a number above
//! a half. A quotient whose divisor is 0, such as the precision of a class that is never predicted, is 0, as in
//! scikit-learn.

mod confusion_matrix;
mod f1;
mod mae;
mod mse;
mod outcome;
mod precision;
mod recall;
mod rule;
mod tally;
mod top_k;

use crate::error::TrainError;
pub use outcome::Outcome;
use rule::Rule;
pub use tally::{ClassCounts, ClassTotals, Confusion, Targets};
use tally::{Needs, Tally};

const RULES: &[Rule] =
    &[top_k::RULE, precision::RULE, recall::RULE, f1::RULE, confusion_matrix::RULE, mae::RULE, mse::RULE];

/// What is to be measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Scoring {
    prediction: String,
    target: String,
    outcome: Outcome,
    /// Names of which [`find`] knows each.
    metrics: Vec<String>,
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
                Needs::Differences => true,
            };
            if !fits {
                return Err(TrainError::Mismatch(format!("`{name}` is no metric of such predictions")));
            }
            metrics.push(name.to_string());
        }
        let scoring =
            Scoring { prediction: prediction.into(), target: target.into(), outcome, metrics, class_names: Vec::new() };
        Ok((!scoring.metrics.is_empty()).then_some(scoring))
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
}

impl<'a> Scorer<'a> {
    /// Before the first sample.
    pub fn new(scoring: &'a Scoring) -> Scorer<'a> {
        Scorer { scoring, tally: Tally::new(scoring.outcome, &scoring.class_names) }
    }

    /// Counts the next samples, of which both are row-major.
    pub fn add(&mut self, predictions: &[f32], targets: &Targets) {
        if self.scoring.needs(Needs::Classes) {
            self.tally.count_classes(predictions, targets);
        }
        if self.scoring.needs(Needs::Ranks) {
            self.tally.count_ranks(predictions, targets);
        }
        if self.scoring.needs(Needs::Differences) {
            self.tally.sum_differences(predictions, targets);
        }
    }

    /// The metrics of all samples so far.
    pub fn scores(self) -> Scores {
        let Scorer { scoring, tally } = self;
        let values =
            scoring.rules().filter_map(|(name, rule, number)| Some((name.to_string(), rule.value?(&tally, number))));
        let values = values.collect();
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
    find(name).is_some_and(|(rule, _)| rule.needs == Needs::Differences)
}

#[cfg(test)]
mod tests;
