//! What metrics are made of.

use super::decisions::Decisions;
use super::outcome::{Form, Outcome, Reading, share};
use std::collections::BTreeMap;

/// What a metric needs counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// How often each class was predicted as which.
    Classes,
    /// At which place among the predictions the right class stands.
    Ranks,
    /// How predictions of yes and no stand in order.
    Order,
    /// How probable the right classes were.
    Likelihood,
    /// Differences of predictions and targets of the same shape.
    Differences,
    /// These, and how much the targets differ from each other.
    Variance,
}

/// Targets of samples, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// Class numbers.
    Labels(Vec<i32>),
    /// Shares of the classes, yes and no as 1 and 0, or any values.
    Values(Vec<f32>),
}

/// How often one class was predicted as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// The class that the samples are of.
    pub actual: usize,
    /// The class that was predicted.
    pub predicted: usize,
    /// How many there are.
    pub samples: u64,
}

/// How the samples of all classes were predicted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassCounts {
    n_classes: usize,
    is_yes_or_no: bool,
    /// Of the first classes, or of none.
    names: Vec<String>,
    /// By actual and predicted class; what did not happen is not there.
    counts: BTreeMap<(usize, usize), u64>,
}

/// One class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassTotals {
    /// Samples of it.
    pub samples: u64,
    /// Samples that were predicted to be of it.
    pub predicted: u64,
    /// Samples that are both.
    pub hits: u64,
}

impl ClassTotals {
    /// Share of what was predicted to be of the class that is.
    pub fn precision(&self) -> f64 {
        share(self.hits, self.predicted)
    }

    /// Share of the class's samples that were found.
    pub fn recall(&self) -> f64 {
        share(self.hits, self.samples)
    }

    /// The harmonic mean of both.
    pub fn f1(&self) -> f64 {
        share(2 * self.hits, self.samples + self.predicted)
    }
}

impl ClassCounts {
    fn new(outcome: Outcome, names: &[String]) -> ClassCounts {
        let (n_classes, is_yes_or_no) = match outcome {
            Outcome::Class(n) => (n, false),
            Outcome::YesOrNo => (2, true),
            Outcome::Values => (0, false),
        };
        ClassCounts { n_classes, is_yes_or_no, names: names.to_vec(), counts: BTreeMap::new() }
    }

    /// What was counted elsewhere: rows of actual, columns of predicted classes; nothing if they are no square.
    pub fn of_rows(rows: &[Vec<u64>], names: Vec<String>) -> Option<ClassCounts> {
        let n_classes = rows.len();
        let cells = |(actual, row): (usize, &Vec<u64>)| {
            row.iter().enumerate().map(|(predicted, &n)| ((actual, predicted), n)).collect::<Vec<_>>()
        };
        let counts = rows.iter().enumerate().flat_map(cells).filter(|&(_, samples)| samples > 0).collect();
        let is_square = rows.iter().all(|row| row.len() == n_classes);
        is_square.then_some(ClassCounts { n_classes, is_yes_or_no: false, names, counts })
    }

    /// Number of classes; of yes and no there are two, no first.
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// What a class is called, if it has a name.
    pub fn name(&self, class: usize) -> Option<&str> {
        self.names.get(class).map(String::as_str)
    }

    /// What happened, by actual, then by predicted class.
    pub fn confusions(&self) -> impl Iterator<Item = Confusion> {
        self.counts.iter().map(|(&(actual, predicted), &samples)| Confusion { actual, predicted, samples })
    }

    /// How many samples of a class were predicted as which.
    pub fn count(&self, actual: usize, predicted: usize) -> u64 {
        self.counts.get(&(actual, predicted)).copied().unwrap_or(0)
    }

    /// Every class.
    pub fn totals(&self) -> Vec<ClassTotals> {
        let mut totals = vec![ClassTotals::default(); self.n_classes];
        for Confusion { actual, predicted, samples } in self.confusions() {
            totals[actual].samples += samples;
            totals[predicted].predicted += samples;
            if actual == predicted {
                totals[actual].hits += samples;
            }
        }
        totals
    }

    /// Of yes and no that of yes; else the mean over the classes that are there or were predicted, as scikit-learn
    /// takes it; 0 without samples.
    pub(super) fn mean(&self, of_class: impl Fn(&ClassTotals) -> f64) -> f64 {
        let totals = self.totals();
        if self.is_yes_or_no {
            return totals.last().map_or(0.0, of_class);
        }
        let seen: Vec<&ClassTotals> = totals.iter().filter(|class| class.samples + class.predicted > 0).collect();
        let sum: f64 = seen.iter().map(|class| of_class(class)).sum();
        if seen.is_empty() { 0.0 } else { sum / seen.len() as f64 }
    }
}

/// Everything that is counted.
pub(super) struct Tally {
    outcome: Outcome,
    reading: Reading,
    pub(super) classes: ClassCounts,
    /// How often the right class stood at which place, from 0.
    pub(super) ranks: BTreeMap<usize, u64>,
    pub(super) absolute: f64,
    pub(super) squares: f64,
    pub(super) n_values: u64,
    pub(super) targets: Spread,
    pub(super) decisions: Decisions,
    /// Sum of the logarithms of the right classes' probabilities.
    pub(super) log_likelihood: f64,
    pub(super) n_likelihoods: u64,
}

/// How much numbers differ from their mean, in the order in which they come (Welford).
#[derive(Default)]
pub(super) struct Spread {
    n: u64,
    mean: f64,
    /// Sum of the squared differences.
    pub(super) squares: f64,
}

impl Spread {
    fn add(&mut self, x: f64) {
        self.n += 1;
        let before = x - self.mean;
        self.mean += before / self.n as f64;
        self.squares += before * (x - self.mean);
    }
}

impl Tally {
    pub(super) fn new(outcome: Outcome, reading: Reading, class_names: &[String]) -> Tally {
        Tally {
            outcome,
            reading,
            classes: ClassCounts::new(outcome, class_names),
            ranks: BTreeMap::new(),
            absolute: 0.0,
            squares: 0.0,
            n_values: 0,
            targets: Spread::default(),
            decisions: Decisions::default(),
            log_likelihood: 0.0,
            n_likelihoods: 0,
        }
    }

    /// Whether a number says yes: a probability above a half.
    fn predicts_yes(&self, prediction: f32) -> bool {
        let border = match self.reading.form {
            Form::Probability => 0.5,
            Form::Logit => 0.0,
            Form::LogProbability => 0.5f32.ln(),
        };
        prediction > border
    }

    pub(super) fn count_classes(&mut self, predictions: &[f32], targets: &Targets) {
        match (self.outcome, targets) {
            (Outcome::YesOrNo, Targets::Values(targets)) => {
                for (&target, &prediction) in targets.iter().zip(predictions) {
                    let cell = (usize::from(target > 0.5), usize::from(self.predicts_yes(prediction)));
                    *self.classes.counts.entry(cell).or_default() += 1;
                }
            }
            _ => self.each_row(predictions, targets, |tally, row, actual| {
                *tally.classes.counts.entry((actual, largest(row))).or_default() += 1;
            }),
        }
    }

    pub(super) fn count_ranks(&mut self, predictions: &[f32], targets: &Targets) {
        self.each_row(predictions, targets, |tally, row, actual| {
            *tally.ranks.entry(rank(row, actual)).or_default() += 1;
        });
    }

    /// Rows of predictions and the class that each is of.
    fn each_row(&mut self, predictions: &[f32], targets: &Targets, mut f: impl FnMut(&mut Tally, &[f32], usize)) {
        let Outcome::Class(n) = self.outcome else { return };
        let rows = predictions.chunks(n);
        let ignored = self.reading.ignored;
        match targets {
            Targets::Labels(labels) => {
                // A label that is no class has been refused by the step.
                let counted = rows.zip(labels).filter(|&(_, &label)| Some(label) != ignored);
                let labelled = counted.filter_map(|(row, &label)| Some((row, usize::try_from(label).ok()?)));
                labelled.filter(|&(_, label)| label < n).for_each(|(row, label)| f(self, row, label));
            }
            Targets::Values(shares) => {
                rows.zip(shares.chunks(n)).for_each(|(row, shares)| f(self, row, largest(shares)));
            }
        }
    }

    /// In double precision, one after the other.
    pub(super) fn sum_differences(&mut self, predictions: &[f32], targets: &Targets) {
        let Targets::Values(targets) = targets else { return };
        for (&prediction, &target) in predictions.iter().zip(targets) {
            let difference = f64::from(prediction) - f64::from(target);
            self.targets.add(f64::from(target));
            self.absolute += difference.abs();
            self.squares += difference * difference;
            self.n_values += 1;
        }
    }
}

impl Tally {
    pub(super) fn keep_decisions(&mut self, predictions: &[f32], targets: &Targets) {
        let Targets::Values(targets) = targets else { return };
        predictions.iter().zip(targets).for_each(|(&prediction, &target)| self.decisions.add(prediction, target > 0.5));
    }

    pub(super) fn sum_likelihoods(&mut self, predictions: &[f32], targets: &Targets) {
        let form = self.reading.form;
        self.each_row(predictions, targets, |tally, row, class| {
            tally.log_likelihood += log_probability(row, class, form);
            tally.n_likelihoods += 1;
        });
    }
}

/// The logarithm of the probability that a row gives a class, in double precision.
fn log_probability(row: &[f32], class: usize, form: Form) -> f64 {
    let own = f64::from(row[class]);
    match form {
        Form::Probability => own.ln(),
        Form::LogProbability => own,
        Form::Logit => {
            let greatest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let sum: f64 = row.iter().map(|&x| (f64::from(x) - greatest).exp()).sum();
            own - greatest - sum.ln()
        }
    }
}

/// Whether element `a` of a row comes before `b`: it is larger, or NaN and `b` is not, or the first of equals.
fn is_before(row: &[f32], a: usize, b: usize) -> bool {
    match (row[a].is_nan(), row[b].is_nan()) {
        (true, true) => a < b,
        (true, false) => true,
        (false, true) => false,
        (false, false) => row[a] > row[b] || (row[a] == row[b] && a < b),
    }
}

/// The class that a row predicts, as `argmax` has it.
fn largest(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, i| if is_before(row, i, best) { i } else { best })
}

/// How many classes come before one.
fn rank(row: &[f32], class: usize) -> usize {
    (0..row.len()).filter(|&other| other != class && is_before(row, other, class)).count()
}
