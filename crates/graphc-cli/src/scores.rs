//! What metrics look like: lines, a table of the classes, the confusion matrix, JSON.

use crate::tables;
use crate::words::{counted, grouped};
use graphc_ir::text::{cut, shown};
use graphc_train::Scores;
use graphc_train::metrics::{ClassCounts, ClassTotals, Confusion};
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

/// Most classes of which each gets a line.
const MOST_CLASSES: usize = 100;

/// How many of more classes do.
const WORST_CLASSES: usize = 20;

/// Class, samples, precision, recall and F1 of every class; of very many those with the lowest F1.
pub(crate) fn class_table(classes: &ClassCounts) -> String {
    let mut totals: Vec<(usize, ClassTotals)> = classes.totals().into_iter().enumerate().collect();
    let n = totals.len();
    let mut heading = String::new();
    if n > MOST_CLASSES {
        totals.retain(|(_, class)| class.samples + class.predicted > 0);
        totals.sort_by(|(_, a), (_, b)| a.f1().total_cmp(&b.f1()));
        totals.truncate(WORST_CLASSES);
        heading = format!("The {} of {} classes with the lowest F1\n", totals.len(), grouped(n));
    }
    let row = |(class, totals): (usize, ClassTotals)| {
        let shares = [totals.precision(), totals.recall(), totals.f1()].map(|share| format!("{share:.4}"));
        [label(classes, class, LONGEST_NAME), grouped(totals.samples as usize)].into_iter().chain(shares).collect()
    };
    let rows = totals.into_iter().map(row).collect();
    heading + &tables::table(["Class", "Samples", "Precision", "Recall", "F1"], 1, rows)
}

/// Most characters of a name.
const LONGEST_NAME: usize = 24;

/// The number of a class, and its name if it has one and there is room for so many characters of it.
fn label(classes: &ClassCounts, class: usize, n_chars: usize) -> String {
    match classes.name(class) {
        Some(name) if n_chars > 0 => format!("{class} {}", cut(&shown(name), n_chars)),
        _ => class.to_string(),
    }
}

/// Most columns of a printed matrix.
const MOST_COLUMNS: usize = 80;

/// Most lines of the list of confusions that stands in its place.
const MOST_LINES: usize = 10;

/// The matrix, a row for each class that samples are of and a column for each that was predicted; where that is too
/// wide, the most frequent confusions.
pub(crate) fn confusion_text(classes: &ClassCounts) -> String {
    let n = classes.n_classes();
    let largest = classes.confusions().map(|confusion| confusion.samples).max().unwrap_or(0);
    let n_digits = n.saturating_sub(1).to_string().len();
    let cell = 1 + largest.to_string().len().max(n_digits);
    let Some(room) = MOST_COLUMNS.checked_sub(n_digits + 2 + n * cell) else { return most_frequent(classes) };
    // Names stand behind the numbers, which are those of the columns, and may end in an ellipsis.
    let room = room.saturating_sub(2).min(LONGEST_NAME);
    let labels: Vec<String> = (0..n)
        .map(|class| format!("{}{}", " ".repeat(n_digits - class.to_string().len()), label(classes, class, room)))
        .collect();
    let label_width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let cells = |text: &dyn Fn(usize) -> String| (0..n).map(|i| format!("{:>cell$}", text(i))).collect::<String>();
    let mut text = "Confusion matrix: rows are what samples are, columns what was predicted\n".to_string();
    text.push_str(&format!("{:label_width$} │{}", "", cells(&|class| class.to_string())));
    text.push_str(&format!("\n{}┼{}", "─".repeat(label_width + 1), "─".repeat(n * cell)));
    for (actual, label) in labels.iter().enumerate() {
        let count = |predicted: usize| match classes.count(actual, predicted) {
            0 => "·".to_string(),
            count => count.to_string(),
        };
        text.push_str(&format!("\n{label:label_width$} │{}", cells(&count)));
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
        let [actual, predicted] = [*actual, *predicted].map(|class| label(classes, class, LONGEST_NAME));
        text.push_str(&format!("\nclass {actual} taken for {predicted}: {samples}"));
    }
    match wrong.len() {
        0 => "No sample was taken for another class.".into(),
        n if n > MOST_LINES => format!("{text}\nand {} more", counted(n - MOST_LINES, "pair")),
        _ => text,
    }
}

/// Most classes whose matrix is written: it has as many numbers as their square.
const LARGEST_MATRIX: usize = 1000;

/// `test_f1` and the like, `classes`, and `confusion_matrix` as rows of counts, null if there are too many classes.
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
            let mut one = json!({
                "class": class,
                "samples": totals.samples,
                "precision": totals.precision(),
                "recall": totals.recall(),
                "f1": totals.f1(),
            });
            if let Some(name) = classes.name(class) {
                one["name"] = json!(name);
            }
            one
        })
        .collect();
    let n = classes.n_classes();
    let row = |actual| (0..n).map(|predicted| classes.count(actual, predicted)).collect::<Vec<u64>>();
    all["confusion_matrix"] = match n {
        ..=LARGEST_MATRIX => (0..n).map(row).collect::<Vec<_>>().into(),
        _ => Value::Null,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphc_train::metrics::{Scorer, Targets};
    use graphc_train::{Outcome, Scoring};

    /// Of class `i % n` each, predicted as the class before it if `i` is a multiple of 5.
    fn scores(n: usize, n_samples: usize, names: &[&str]) -> Scores {
        let mut scoring = Scoring::new("p", "t", Outcome::Class(n), ["f1"]).unwrap().unwrap();
        scoring.name_classes(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        let mut scorer = Scorer::new(&scoring);
        for i in 0..n_samples {
            let label = i % n;
            let found = if i % 5 == 0 { (label + n - 1) % n } else { label };
            let row: Vec<f32> = (0..n).map(|class| f32::from(u8::from(class == found))).collect();
            scorer.add(&row, &Targets::Labels(vec![label as i32]));
        }
        scorer.scores()
    }

    #[test]
    fn a_matrix_of_ten_classes_fits_a_terminal() {
        let text = confusion_text(scores(10, 100_000, &[]).classes.as_ref().unwrap());
        assert!(text.lines().all(|line| line.chars().count() <= MOST_COLUMNS), "{text}");
        assert_eq!(text.lines().count(), 13, "{text}");
    }

    #[test]
    fn names_stand_beside_numbers() {
        let scores = scores(3, 30, &["cat", "a dog\u{1b}[31m with a name that is too long to be shown"]);
        let classes = scores.classes.as_ref().unwrap();
        let matrix = "\
Confusion matrix: rows are what samples are, columns what was predicted
                            │ 0 1 2
────────────────────────────┼──────
0 cat                       │ 8 · 2
1 a dog\\u{1b}[31m with a n… │ 2 8 ·
2                           │ · 2 8";
        assert_eq!(confusion_text(classes), matrix);
        assert!(class_table(classes).contains(" 0 cat "), "{}", class_table(classes));
        let mut json = json!({});
        add_json(&mut json, &scores);
        assert_eq!([&json["classes"][0]["name"], &json["classes"][2]["name"]], [&json!("cat"), &Value::Null]);
        // As much of them as fits beside the numbers.
        let text = confusion_text(self::scores(15, 9_000, &["antidisestablishmentarianism"]).classes.as_ref().unwrap());
        assert!(text.lines().all(|line| line.chars().count() <= MOST_COLUMNS), "{text}");
    }

    #[test]
    fn very_many_classes_stay_short() {
        let scores = scores(1200, 3600, &[]);
        let classes = scores.classes.as_ref().unwrap();
        let table = class_table(classes);
        assert!(table.starts_with("The 20 of 1,200 classes with the lowest F1\n"), "{table}");
        assert_eq!(table.lines().count(), 25);
        assert_eq!(confusion_text(classes).lines().count(), 12);
        let mut json = json!({});
        add_json(&mut json, &scores);
        assert_eq!(json["confusion_matrix"], Value::Null);
        assert_eq!(json["classes"].as_array().map(Vec::len), Some(1200));
    }

    #[test]
    fn numbers_large_and_small() {
        assert_eq!(
            [0.0, 0.98765, 1234.5, 1e-7, 2.5e9].map(|value| number(&value)),
            ["0.0000", "0.9877", "1234.5000", "1.000e-7", "2.500e9"]
        );
    }
}
