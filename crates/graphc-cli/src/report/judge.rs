//! How wrong a prediction is, and what it says in words.

use crate::answer::{Unit, best_class};
use crate::error::CliError;
use graphc::experiment;
use graphc::experiment::Kind;
use graphc_frontend::Experiment;
use graphc_ir::DType;
use graphc_train::data::Fitted;
use graphc_train::metrics::Targets;
use graphc_train::{Form, Outcome};

/// What the two classes of yes and no are called where they have no names.
pub(super) const YES_OR_NO: [&str; 2] = ["no", "yes"];

/// What a sample is, and what it was predicted to be.
pub(super) enum Verdict {
    /// One of some classes.
    Class {
        truth: String,
        predicted: String,
        /// Probability of the predicted class.
        share: f64,
        is_right: bool,
    },
    /// Numbers in the unit of the target, as many as it has.
    Values { truth: Vec<f64>, predicted: Vec<f64> },
}

/// Knows what the numbers of predictions and targets are.
pub(super) struct Judge<'a> {
    experiment: &'a Experiment,
    outcome: Outcome,
    kind: Kind,
    unit: Unit,
    has_labels: bool,
    class_names: Vec<String>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(experiment: &'a Experiment, fitted: &Fitted) -> Result<Judge<'a>, CliError> {
        let graph = &experiment.graph;
        let (outcome, kind) = (experiment::outcome(experiment), Kind::of(experiment));
        let has_labels = graph.find(&experiment.target).is_some_and(|id| graph.ty(id).dtype == DType::I32);
        if !experiment.targets.contains(&experiment.target) {
            return Err(CliError::new("predictions are compared with no input, but with what the network computes"));
        }
        let n_numbers = graph.output(&experiment.prediction).map(|id| graph.ty(id).shape.fixed_len());
        let has_several = match outcome {
            Outcome::Class(n) => n_numbers != Some(n),
            Outcome::YesOrNo => false,
            Outcome::Values => has_labels,
        };
        if has_several {
            return Err(CliError::new("every sample has several labels, of which the page shows none"));
        }
        let given = fitted.of(&experiment.target).classes;
        Ok(Judge {
            experiment,
            outcome,
            kind,
            unit: Unit::of(experiment, fitted, kind)?,
            has_labels,
            class_names: match outcome {
                Outcome::YesOrNo => given.unwrap_or_else(|| YES_OR_NO.map(String::from).to_vec()),
                _ => given.unwrap_or_default(),
            },
        })
    }

    /// The input that predictions are compared with.
    pub(super) fn target(&self) -> &str {
        &self.experiment.target
    }

    /// The words of one sample's target.
    pub(super) fn targets(&self, words: &[u32]) -> Targets {
        match self.has_labels {
            true => Targets::Labels(words.iter().map(|word| word.cast_signed()).collect()),
            false => Targets::Values(words.iter().map(|&word| f32::from_bits(word)).collect()),
        }
    }

    /// The loss of one sample: the cross-entropy with its class, or the sum of squares. What is no number is most
    /// wrong.
    pub(super) fn loss(&self, row: &[f32], truth: &[u32]) -> f64 {
        let loss = match (self.outcome, self.targets(truth)) {
            (Outcome::Class(_) | Outcome::YesOrNo, targets) => self
                .class(&targets)
                .and_then(|class| self.shares(row).get(class).copied())
                .map_or(0.0, |p| -libm::log(p)),
            (Outcome::Values, Targets::Values(targets)) => {
                let square = |(&a, &b): (&f32, &f32)| (f64::from(a) - f64::from(b)) * (f64::from(a) - f64::from(b));
                row.iter().zip(&targets).map(square).sum()
            }
            (Outcome::Values, Targets::Labels(_)) => 0.0,
        };
        if loss.is_nan() { f64::INFINITY } else { loss }
    }

    /// True and predicted numbers, if those are what is predicted.
    pub(super) fn pairs(&self, row: &[f32], truth: &[u32]) -> Vec<(f64, f64)> {
        let Targets::Values(truth) = self.targets(truth) else { return Vec::new() };
        let in_unit = |value: f32, index: usize| f64::from(self.unit.value(value, index));
        let pairs = truth.iter().zip(row).enumerate();
        pairs.map(|(index, (&truth, &value))| (in_unit(truth, index), in_unit(value, index))).collect()
    }

    pub(super) fn verdict(&self, row: &[f32], truth: &[u32]) -> Verdict {
        if self.outcome == Outcome::Values {
            let (truth, predicted) = self.pairs(row, truth).into_iter().unzip();
            return Verdict::Values { truth, predicted };
        }
        let shares = self.shares(row);
        let class = self.class(&self.targets(truth));
        let rounded: Vec<f32> = shares.iter().map(|&share| share as f32).collect();
        let predicted = best_class(&rounded);
        let name = |class: Option<usize>| match class {
            Some(class) => self.class_names.get(class).cloned().unwrap_or_else(|| class.to_string()),
            None => "not finite".into(),
        };
        let share = predicted.map_or(f64::NAN, |class| shares[class]);
        Verdict::Class { truth: name(class), predicted: name(predicted), share, is_right: class == predicted }
    }

    /// The class that a sample is of.
    fn class(&self, targets: &Targets) -> Option<usize> {
        match (self.outcome, targets) {
            (_, Targets::Labels(labels)) => usize::try_from(*labels.first()?).ok(),
            (Outcome::YesOrNo, Targets::Values(values)) => Some(usize::from(*values.first()? > 0.5)),
            (_, Targets::Values(values)) => best_class(values),
        }
    }

    /// Probabilities of the classes.
    fn shares(&self, row: &[f32]) -> Vec<f64> {
        let values: Vec<f64> = row.iter().map(|&value| value.into()).collect();
        match (self.outcome, self.kind, values.as_slice()) {
            (Outcome::YesOrNo, _, &[logit]) if experiment::reading(self.experiment).form == Form::Logit => {
                let yes = 1.0 / (1.0 + libm::exp(-logit));
                vec![1.0 - yes, yes]
            }
            (Outcome::YesOrNo, _, &[yes]) => vec![1.0 - yes, yes],
            (_, Kind::Scores, _) => {
                let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let powers: Vec<f64> = values.iter().map(|value| libm::exp(value - most)).collect();
                let sum: f64 = powers.iter().sum();
                powers.iter().map(|power| power / sum).collect()
            }
            _ => values,
        }
    }
}
