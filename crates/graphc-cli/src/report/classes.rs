//! How samples of classes were predicted: the confusion matrix, and a table of the classes.

use super::html::{Cell, Head, folded, note, table};
use super::run::Run;
use crate::words::grouped;
use graphc_train::metrics::{ClassCounts, ClassTotals};
use graphc_train::plots::confusion_inline;
use serde_json::Value;

/// Most classes that each get a row at once; of more, so many of the worst do, and the others are folded.
const MOST_CLASSES: usize = 20;
const N_WORST: usize = 10;
/// Most rows that are folded.
const MOST_FOLDED: usize = 1000;

/// Both, if samples are of classes.
pub(super) fn matrix_and_table(run: &Run) -> String {
    let found = run.findings.as_ref().ok();
    let computed = found.and_then(|found| Some((found.classes.clone()?, found.part)));
    let names = computed.as_ref().map_or_else(Vec::new, |(classes, _)| names(classes));
    let recorded = recorded(run.results(), names).map(|classes| (classes, "test"));
    let Some((classes, part)) = recorded.or(computed) else { return String::new() };
    let totals = classes.totals();
    let n: u64 = totals.iter().map(|class| class.samples).sum();
    let hits: u64 = totals.iter().map(|class| class.hits).sum();
    let matrix = confusion_inline("Confusion matrix", &classes)
        .map_or_else(String::new, |svg| format!("<div class=\"figure\">{svg}</div>\n"));
    let text = format!(
        "{} of {} {part} samples are predicted right. A row has the samples of a class, a column what they were predicted as. The \
         strength of a colour is the square root of the share in the row, so that rare mistakes can be seen.",
        grouped(hits as usize),
        grouped(n as usize)
    );
    format!("<div class=\"beside\">\n{matrix}<div>\n{}</div>\n</div>\n{}", table_of(&classes, totals), note(&text))
}

fn names(classes: &ClassCounts) -> Vec<String> {
    (0..classes.n_classes()).map_while(|class| classes.name(class).map(String::from)).collect()
}

/// What the run itself has counted on its test samples; classes that it does not name have the other names.
fn recorded(results: &Value, names: Vec<String>) -> Option<ClassCounts> {
    let rows: Vec<Vec<u64>> = serde_json::from_value(results["confusion_matrix"].clone()).ok()?;
    let own = results["classes"].as_array().into_iter().flatten().map_while(|class| class["name"].as_str());
    let own: Vec<String> = own.map(String::from).collect();
    ClassCounts::of_rows(&rows, if own.is_empty() { names } else { own })
}

fn table_of(classes: &ClassCounts, totals: Vec<ClassTotals>) -> String {
    let mut totals: Vec<(usize, ClassTotals)> = totals.into_iter().enumerate().collect();
    let head = Head::new(&["class"], &["samples", "precision", "recall", "F1"]);
    let row = |(class, totals): &(usize, ClassTotals)| {
        let name = classes.name(*class).map_or_else(|| class.to_string(), |name| format!("{name} ({class})"));
        let shares =
            [totals.precision(), totals.recall(), totals.f1()].map(|share| Cell::number(&format!("{share:.4}")));
        [Cell::text(&name), Cell::number(&grouped(totals.samples as usize))].into_iter().chain(shares).collect()
    };
    let rows = |some: &[(usize, ClassTotals)]| table(&head, some.iter().map(row).collect());
    if totals.len() <= MOST_CLASSES {
        return rows(&totals);
    }
    let all = match totals.len() {
        n @ ..=MOST_FOLDED => folded(&format!("All {} classes", grouped(n)), &rows(&totals)),
        _ => String::new(),
    };
    totals.retain(|(_, class)| class.samples + class.predicted > 0);
    totals.sort_by(|(_, a), (_, b)| a.f1().total_cmp(&b.f1()));
    totals.truncate(N_WORST);
    format!("{}{}{all}", rows(&totals), note(&format!("The {} classes with the lowest F1.", totals.len())))
}
