//! What came of the runs: a sentence each, and a table.

use super::html::{Cell, Head, note, swatch, table, text};
use super::run::{Run, count_text, time_text, unique};
use crate::words::grouped;
use graphc_train::EpochRecord;
use graphc_train::metrics::is_error;
use graphc_train::plots::value_text;
use serde_json::Value;

/// Title and results in words.
pub(super) fn header(runs: &[Run]) -> String {
    let (kicker, title, leads) = match runs {
        [run] => {
            let kicker = format!("Run of the network {} · {}", run.network(), run.folder.display());
            (kicker, run.name.clone(), format!("<p class=\"lead\">{}</p>\n", capitalised(&sentence(run))))
        }
        _ => {
            let lead = |(index, run): (usize, &Run)| {
                format!("<li>{}<b>{}</b>: {}</li>\n", swatch(index), text(&run.name), sentence(run))
            };
            let leads: String = runs.iter().enumerate().map(lead).collect();
            ("Runs compared".into(), format!("{} runs", runs.len()), format!("<ul class=\"leads\">\n{leads}</ul>\n"))
        }
    };
    format!("<header>\n<p class=\"kicker\">{}</p>\n<h1>{}</h1>\n{leads}</header>\n", text(&kicker), text(&title))
}

/// How a run ended, and how good the network is, as HTML.
fn sentence(run: &Run) -> String {
    let results = run.results();
    let n = run.history.records.len();
    let epochs = match run.record["config"]["epochs"].as_u64() {
        Some(all) if all != n as u64 => format!("{} of {}", grouped(n), counted(all as usize, "epoch")),
        _ => counted(n, "epoch"),
    };
    let in_time = training_seconds(run).map_or_else(String::new, |seconds| format!(" in {}", time_text(seconds)));
    let course = match (results["status"].as_str(), results["ended"].as_str()) {
        (Some("finished"), Some("early_stopping")) => format!("stopped early after {epochs}{in_time}"),
        (Some("finished"), _) => format!("trained {epochs}{in_time}"),
        (Some("stopped"), _) => format!("stopped by a signal after {epochs}"),
        (Some("failed"), _) => format!("ended after {epochs} because {}", failure(results)),
        (Some("running"), _) => format!("still going on, {epochs} finished"),
        _ => format!("interrupted after {epochs}"),
    };
    let test = scores("test", [("accuracy", run.result("test_accuracy")), ("loss", run.result("test_loss"))]);
    let of_epoch = |record: &EpochRecord| {
        let validation = [("accuracy", record.val_accuracy), ("loss", record.val_loss)];
        let training = [("accuracy", record.accuracy), ("loss", Some(record.loss))];
        scores("validation", validation).or_else(|| scores("training", training))
    };
    let result = test.or_else(|| of_epoch(run.kept()?)).map_or_else(String::new, |result| format!(": {result}"));
    let best = run.best().filter(|_| n > 1).map_or_else(String::new, |best| {
        let value = best.record.value(best.monitor).map_or_else(String::new, value_text);
        format!(" Best epoch {}, by {} {value}.", grouped(best.record.epoch), text(best.monitor))
    });
    format!("{}{result}.{best}", text(&course))
}

/// `the loss is inf in epoch 1, step 4 of 282`.
fn failure(results: &Value) -> &str {
    let message = results["nonfinite"]["message"].as_str().and_then(|message| message.lines().next());
    let known = message.map(|line| line.strip_prefix("training stopped: ").unwrap_or(line));
    known.unwrap_or("numbers have stopped being finite")
}

/// `1 epoch`, `5,000 epochs`.
fn counted(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// `test accuracy 0.9912, loss 0.0301` with the first one strong; nothing if neither is known.
fn scores(part: &str, values: [(&str, Option<f64>); 2]) -> Option<String> {
    let known = values.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let text = |(index, (name, value)): (usize, (&str, f64))| match index {
        0 => format!("{part} {name} <b>{}</b>", value_text(value)),
        _ => format!("{name} {}", value_text(value)),
    };
    let texts: Vec<String> = known.enumerate().map(text).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn capitalised(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn training_seconds(run: &Run) -> Option<f64> {
    run.record["timings"]["training_seconds"].as_f64()
}

/// A result of every run, which is a column of the table.
struct Column {
    name: String,
    values: Vec<Option<f64>>,
    /// Whether less is better.
    is_error: bool,
}

impl Column {
    fn cell(&self, run: usize) -> Cell {
        let Some(value) = self.values[run] else { return Cell::number("–") };
        let finite = self.values.iter().flatten().copied().filter(|value| value.is_finite());
        let best = finite.reduce(if self.is_error { f64::min } else { f64::max });
        // Of one run, nothing is best.
        let is_best = self.values.len() > 1 && best == Some(value);
        if is_best { Cell::best(&value_text(value)) } else { Cell::number(&value_text(value)) }
    }
}

/// A row for each run.
pub(super) fn table_of(runs: &[Run]) -> String {
    let validation = columns(runs, validation_names(runs), |run, name| value_of(run.kept()?, name));
    let test = columns(runs, test_names(runs), |run, name| run.result(&format!("test_{name}")));
    let names = |columns: &[Column]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    let (validation_names, test_names) = (names(&validation), names(&test));
    let mut head = Head::new(&["run", "network"], &["parameters", "epochs", "best"]);
    head.groups.push(("", head.columns.len()));
    for (group, names) in [("validation", &validation_names), ("test", &test_names)] {
        if !names.is_empty() {
            head.groups.push((group, names.len()));
            head.columns.extend(names.iter().map(|name| (name.as_str(), true)));
        }
    }
    head.groups.push(("", 2));
    head.columns.extend([("time", true), ("seed", true)]);
    let row = |(index, run): (usize, &Run)| {
        let config = &run.record["config"];
        let best = run.best().map_or_else(|| "–".into(), |best| best.record.epoch.to_string());
        let name = if runs.len() > 1 { swatch(index) } else { String::new() } + &text(&run.name);
        let mut cells = vec![
            Cell::name(name),
            Cell::text(run.network()),
            Cell::number(&count_text(&config["parameters"])),
            Cell::number(&epochs(run, config)),
            Cell::number(&best),
        ];
        cells.extend(validation.iter().chain(&test).map(|column| column.cell(index)));
        cells.push(Cell::number(&training_seconds(run).map_or_else(|| "–".into(), time_text)));
        cells.push(Cell::number(&run.record["seed"].to_string()));
        cells
    };
    let rows = runs.iter().enumerate().map(row).collect();
    let kept = runs.iter().any(|run| run.results()["kept"] == "best");
    let when = if kept { "of the epoch whose weights are kept" } else { "after the last epoch" };
    let which = if validation.is_empty() { String::new() } else { format!("Validation {when}. ") };
    let of_files = "Times are those of training and validation.";
    table(&head, rows) + &note(&format!("{which}{of_files}"))
}

/// `12`, or `12 of 30`.
fn epochs(run: &Run, config: &Value) -> String {
    let n = run.history.records.len();
    match config["epochs"].as_u64() {
        Some(all) if all != n as u64 => format!("{} of {}", grouped(n), grouped(all as usize)),
        _ => grouped(n),
    }
}

fn columns(runs: &[Run], names: Vec<String>, value: impl Fn(&Run, &str) -> Option<f64>) -> Vec<Column> {
    let column = |name: String| {
        let values = runs.iter().map(|run| value(run, &name)).collect();
        Column { values, is_error: name == "loss" || is_error(&name), name }
    };
    names.into_iter().map(column).filter(|column| column.values.iter().any(Option::is_some)).collect()
}

fn value_of(record: &EpochRecord, name: &str) -> Option<f64> {
    match name {
        "loss" => record.val_loss,
        "accuracy" => record.val_accuracy,
        name => record.val_metric(name),
    }
}

fn validation_names(runs: &[Run]) -> Vec<String> {
    let metrics = runs.iter().filter_map(Run::kept).flat_map(|record| record.val_metrics.iter());
    unique(["loss", "accuracy"].into_iter().chain(metrics.map(|(name, _)| name.as_str())))
}

fn test_names(runs: &[Run]) -> Vec<String> {
    let results = runs.iter().filter_map(|run| run.results().as_object()).flat_map(|results| results.iter());
    let numbers = results.filter(|(_, value)| value.is_number()).filter_map(|(name, _)| name.strip_prefix("test_"));
    unique(["loss", "accuracy"].into_iter().chain(numbers))
}
