//! The samples that are predicted worst: pictures, or rows; of numbers also predictions against what is true.

use super::html::{Cell, Head, note, table, text};
use super::judge::Verdict;
use super::mistakes::Findings;
use super::run::Run;
use super::sample::{Look, Sample, number_text};
use crate::output::grouped;
use graphc_train::plots::scatter_inline;

/// The heading for that.
pub(super) fn heading(run: &Run) -> &'static str {
    match &run.findings {
        Ok(findings) if findings.pairs.is_empty() => "Worst samples",
        Ok(_) => "Predictions",
        Err(_) => "Worst samples",
    }
}

/// What weights do with samples, or why that is not known.
pub(super) fn samples(run: &Run) -> String {
    let findings = match &run.findings {
        Ok(findings) => findings,
        Err(why) => return note(&format!("Not shown: {why}.")),
    };
    let scatter = scatter_inline(&format!("{} of {} samples", findings.target, findings.part), &findings.pairs);
    let scatter = scatter.map_or_else(String::new, |svg| format!("<div class=\"figure\">{svg}</div>\n"));
    let is_pictures = findings.worst.iter().all(|sample| matches!(sample.look, Look::Picture { .. }));
    let worst = if is_pictures { pictures(&findings.worst) } else { rows(&findings.worst) };
    let (n, n_all, part) = (findings.worst.len(), grouped(findings.n_samples), findings.part);
    let explained = format!(
        "The {n} of {n_all} {part} samples with the highest loss, the highest first. Numbers of samples count from 0. {}",
        changed(run, findings).unwrap_or_default()
    );
    let worst = worst + &note(explained.trim_end());
    match scatter.as_str() {
        "" => worst,
        scatter => format!("<div class=\"beside\">\n{scatter}<div>\n{worst}</div>\n</div>\n"),
    }
}

/// That data or weights are not those that the run was tested with, if its accuracy shows it.
fn changed(run: &Run, findings: &Findings) -> Option<String> {
    let recorded = run.result("test_accuracy").filter(|_| findings.part == "test")?;
    let totals = findings.classes.as_ref()?.totals();
    let n: u64 = totals.iter().map(|class| class.samples).sum();
    let hits: u64 = totals.iter().map(|class| class.hits).sum();
    let now = hits as f64 / n.max(1) as f64;
    ((now - recorded).abs() > 1e-9).then(|| {
        format!("Data or weights have changed since the run: its test accuracy was {recorded:.4}, now it is {now:.4}.")
    })
}

fn pictures(samples: &[Sample]) -> String {
    let one = |sample: &Sample| {
        let Look::Picture { url, width, height } = &sample.look else { return String::new() };
        let number = sample.number;
        let caption = match &sample.verdict {
            Verdict::Class { truth, predicted, share, is_right } => {
                let class = if *is_right { "right" } else { "wrong" };
                format!(
                    "<dt>is</dt><dd>{}</dd><dt>taken for</dt><dd><span class=\"{class}\">{}</span> {}</dd>",
                    text(truth),
                    text(predicted),
                    percent(*share)
                )
            }
            Verdict::Values { truth, predicted } => {
                let (truth, predicted) = (text(&values(truth)), text(&values(predicted)));
                format!("<dt>is</dt><dd>{truth}</dd><dt>predicted</dt><dd>{predicted}</dd>")
            }
        };
        format!(
            "<li><img src=\"{url}\" width=\"{width}\" height=\"{height}\" alt=\"sample {number}\"/><dl>{caption}</dl>\
             <p class=\"number\">#{number}</p></li>\n"
        )
    };
    format!("<ul class=\"worst\">\n{}</ul>\n", samples.iter().map(one).collect::<String>())
}

fn rows(samples: &[Sample]) -> String {
    let names: Vec<&str> = match samples.first().map(|sample| &sample.look) {
        Some(Look::Cells(cells)) => cells.iter().map(|(name, _)| name.as_str()).collect(),
        _ => Vec::new(),
    };
    let verdict: &[&str] = match samples.first().map(|sample| &sample.verdict) {
        Some(Verdict::Class { .. }) => &["is", "taken for", "probability"],
        Some(Verdict::Values { truth, .. }) if truth.len() == 1 => &["true", "predicted", "error"],
        _ => &["true", "predicted"],
    };
    let heads = std::iter::once(&"row").chain(verdict).chain(&names).map(|name| (*name, 1, true)).collect();
    let row = |sample: &Sample| {
        let Look::Cells(cells) = &sample.look else { return Vec::new() };
        let mut row = vec![Cell::number(&sample.number.to_string())];
        match &sample.verdict {
            Verdict::Class { truth, predicted, share, .. } => {
                row.extend([Cell::number(truth), Cell::number(predicted), Cell::number(&percent(*share))]);
            }
            Verdict::Values { truth, predicted } => {
                row.extend([Cell::number(&values(truth)), Cell::number(&values(predicted))]);
                if let ([truth], [predicted]) = (truth.as_slice(), predicted.as_slice()) {
                    row.push(Cell::best(&signed(predicted - truth)));
                }
            }
        }
        row.extend(cells.iter().map(|(_, value)| Cell::number(value)));
        row
    };
    table(&[Head(heads)], samples.iter().map(row).collect())
}

/// Most numbers of a sample that are listed.
const MOST_VALUES: usize = 4;

fn values(values: &[f64]) -> String {
    let shown: Vec<String> = values.iter().take(MOST_VALUES).map(|&value| number_text(value)).collect();
    let more = if values.len() > MOST_VALUES { " …" } else { "" };
    shown.join(" ") + more
}

fn signed(value: f64) -> String {
    let text = number_text(value);
    if value > 0.0 { format!("+{text}") } else { text.replacen('-', "−", 1) }
}

/// `99.8%`, `100%`.
fn percent(share: f64) -> String {
    match share {
        0.9995.. => "100%".into(),
        share if share.is_finite() => format!("{:.1}%", 100.0 * share),
        _ => "–".into(),
    }
}
