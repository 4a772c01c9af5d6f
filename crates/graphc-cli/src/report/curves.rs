//! Curves of all runs over each other: loss, accuracy and other metrics, the learning rate.

use super::html::note;
use super::run::{Run, unique};
use crate::progress::rate_text;
use graphc_train::EpochRecord;
use graphc_train::plots::{Chart, Curve, Scale, value_text};

type Value<'a> = &'a dyn Fn(&EpochRecord) -> Option<f64>;

/// A chart for everything that was measured.
pub(super) fn charts(runs: &[Run]) -> String {
    let mut all = Vec::new();
    all.extend(chart(runs, "Loss", Scale::Fitting, Some(&|record| Some(record.loss)), &|record| record.val_loss));
    all.extend(chart(runs, "Accuracy", Scale::Even, Some(&|record| record.accuracy), &|record| record.val_accuracy));
    let metrics = runs.iter().flat_map(|run| &run.history.records).flat_map(|record| &record.val_metrics);
    for name in unique(metrics.map(|(name, _)| name.as_str())) {
        all.extend(chart(runs, &format!("Validation {name}"), Scale::Even, None, &|record| record.val_metric(&name)));
    }
    all.extend(rates(runs));
    if all.is_empty() {
        return note("No epoch was finished.");
    }
    let is_validated = runs.iter().flat_map(|run| &run.history.records).any(|record| record.val_loss.is_some());
    let lines =
        if is_validated { "Solid: validation. Dashed: training, measured while the epoch goes on. " } else { "" };
    let is_long = runs.iter().any(|run| run.history.records.len() > 1);
    let best = match runs {
        _ if !is_long => "",
        [run] if run.best().is_some() => "The dotted line is at the best epoch.",
        [_] => "",
        _ => "Rings: the best epoch of each run.",
    };
    let explained = if lines.is_empty() && best.is_empty() { String::new() } else { note(&format!("{lines}{best}")) };
    format!("<div class=\"charts\">\n{}</div>\n{explained}", all.concat())
}

/// Training and validation of every run; of a single run both are named.
fn chart(
    runs: &[Run],
    title: &str,
    scale: Scale,
    training: Option<Value<'_>>,
    validation: Value<'_>,
) -> Option<String> {
    let mut faint = Vec::new();
    let mut strong = Vec::new();
    for (color, run) in runs.iter().enumerate() {
        let best = run.best().map(|best| best.record.epoch);
        let named = |name: &str| Some(if runs.len() == 1 { name.to_string() } else { run.name.clone() });
        let validated = points(run, validation);
        let trained = training.map_or_else(Vec::new, |value| points(run, value));
        let is_validated = !validated.is_empty();
        // Where nothing is validated, training is what there is to see.
        let label = if runs.len() == 1 || !is_validated { named("training") } else { None };
        let marked = best.filter(|_| runs.len() > 1);
        let curve = |label, is_faint, points, marked| Curve { label, color, is_faint, points, marked };
        faint.push(curve(label, is_validated, trained, marked.filter(|_| !is_validated)));
        strong.push(curve(named("validation"), false, validated, marked));
    }
    faint.extend(strong);
    draw(runs, title, scale, faint, value_text)
}

/// Rates that change; others are settings.
fn rates(runs: &[Run]) -> Option<String> {
    let changes = |run: &Run| run.history.records.windows(2).any(|two| two[0].learning_rate != two[1].learning_rate);
    if !runs.iter().any(changes) {
        return None;
    }
    let curve = |(color, run): (usize, &Run)| {
        let label = Some(if runs.len() == 1 { String::new() } else { run.name.clone() });
        let points = points(run, &|record| Some(record.learning_rate));
        Curve { label, color, is_faint: false, points, marked: None }
    };
    draw(runs, "Learning rate", Scale::FromZero, runs.iter().enumerate().map(curve).collect(), rate_text)
}

fn draw(runs: &[Run], title: &str, scale: Scale, curves: Vec<Curve>, value_text: fn(f64) -> String) -> Option<String> {
    let last = |run: &Run| run.history.records.last().map_or(1, |record| record.epoch);
    let best = match runs {
        [run] => run.best().map(|best| best.record.epoch),
        _ => None,
    };
    Chart { title, scale, n_epochs: runs.iter().map(last).max().unwrap_or(1), best, curves, value_text }.inline()
}

fn points(run: &Run, value: Value<'_>) -> Vec<(usize, f64)> {
    run.history.records.iter().filter_map(|record| Some((record.epoch, value(record)?))).collect()
}
