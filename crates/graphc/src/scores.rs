//! What metrics look like: lines, a table of the classes, the confusion matrix, JSON.

use crate::output::{counted, grouped};
use crate::tables;
use graphc_train::Scores;
use graphc_train::metrics::{ClassCounts, Confusion};
use serde_json::{Value, json};

/// A line for every metric, each after a line break.
pub(crate) fn lines(scores: &Scores) -> String {
    scores.values.iter().map(|(name, value)| format!("\n{name} {}", number(value))).collect()
}

/// Shares to four places after the point, errors to as many digits that count.
fn number(value: &f64) -> String {
    match value.abs() {
        0.0 | 0.001..1e6 => format!("{value:.4}"),
        _ => format!("{value:.3e}"),
    }
}

/// Class, samples, precision, recall and F1 of every class.
pub(crate) fn class_table(classes: &ClassCounts) -> String {
    let row = |(class, totals): (usize, &graphc_train::metrics::ClassTotals)| {
        let shares = [totals.precision(), totals.recall(), totals.f1()].map(|share| format!("{share:.4}"));
        [class.to_string(), grouped(totals.samples as usize)].into_iter().chain(shares).collect()
    };
    let rows = classes.totals().iter().enumerate().map(row).collect();
    tables::table(["Class", "Samples", "Precision", "Recall", "F1"], 1, rows)
}

/// Most columns of a printed matrix.
const MOST_COLUMNS: usize = 80;

/// Most lines of the list of confusions that stands in its place.
const MOST_LINES: usize = 10;

/// The matrix, a row for each class that samples are of and a column for each that was predicted; where that is too wide, the
/// most frequent confusions.
pub(crate) fn confusion_text(classes: &ClassCounts) -> String {
    let n = classes.n_classes();
    let largest = classes.confusions().map(|confusion| confusion.samples).max().unwrap_or(0);
    let label_width = n.saturating_sub(1).to_string().len();
    let cell = 1 + largest.to_string().len().max(label_width);
    if label_width + 2 + n * cell > MOST_COLUMNS {
        return most_frequent(classes);
    }
    let cells = |text: &dyn Fn(usize) -> String| (0..n).map(|i| format!("{:>cell$}", text(i))).collect::<String>();
    let mut text = "Confusion matrix: rows are what samples are, columns what was predicted\n".to_string();
    text.push_str(&format!("{:label_width$} │{}", "", cells(&|class| class.to_string())));
    text.push_str(&format!("\n{}┼{}", "─".repeat(label_width + 1), "─".repeat(n * cell)));
    for actual in 0..n {
        let count = |predicted: usize| match classes.count(actual, predicted) {
            0 => "·".to_string(),
            count => count.to_string(),
        };
        text.push_str(&format!("\n{actual:>label_width$} │{}", cells(&count)));
    }
    text
}

/// `class 7 taken for 2: 11 samples`, the most frequent first.
fn most_frequent(classes: &ClassCounts) -> String {
    let mut wrong: Vec<Confusion> = classes.confusions().filter(|found| found.actual != found.predicted).collect();
    wrong.sort_by_key(|found| (std::cmp::Reverse(found.samples), found.actual, found.predicted));
    let mut text = "Most frequent confusions:".to_string();
    for Confusion { actual, predicted, samples } in wrong.iter().take(MOST_LINES) {
        let samples = counted(*samples as usize, "sample");
        text.push_str(&format!("\nclass {actual} taken for {predicted}: {samples}"));
    }
    match wrong.len() {
        0 => "No sample was taken for another class.".into(),
        n if n > MOST_LINES => format!("{text}\nand {} more", counted(n - MOST_LINES, "pair")),
        _ => text,
    }
}

/// `test_f1` and the like, `classes`, and `confusion_matrix` as rows of counts.
pub(crate) fn add_json(all: &mut Value, scores: &Scores) {
    for (name, value) in &scores.values {
        all[format!("test_{name}")] = json!(value);
    }
    let Some(classes) = &scores.classes else { return };
    all["classes"] = classes
        .totals()
        .iter()
        .enumerate()
        .map(|(class, totals)| {
            json!({
                "class": class,
                "samples": totals.samples,
                "precision": totals.precision(),
                "recall": totals.recall(),
                "f1": totals.f1(),
            })
        })
        .collect();
    let n = classes.n_classes();
    let row = |actual| (0..n).map(|predicted| classes.count(actual, predicted)).collect::<Vec<u64>>();
    all["confusion_matrix"] = (0..n).map(row).collect::<Vec<_>>().into();
}
