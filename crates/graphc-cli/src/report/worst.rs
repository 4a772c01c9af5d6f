//! The samples that are predicted worst: pictures, or rows; of numbers also predictions against what is true.

use super::html::{Cell, Head, note, table, text};
use super::judge::Verdict;
use super::mistakes::Findings;
use super::run::Run;
use super::sample::{Look, Sample};
use crate::words::grouped;
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
    let with = match findings.worst.first().map(|sample| &sample.verdict) {
        Some(Verdict::Class { .. }) => "the probability of what each was taken for, and its number",
        _ => "each with its number",
    };
    let which = match n == findings.n_samples {
        true => format!("The {n} {part} samples, the highest loss first"),
        false => format!("The {n} of {n_all} {part} samples with the highest loss, the highest first"),
    };
    let explained = format!("{which}; {with}, from 0. {}", changed(run, findings).unwrap_or_default());
    let shown = match scatter.as_str() {
        "" => worst,
        scatter => format!("<div class=\"beside\">\n{scatter}<div>\n{worst}</div>\n</div>\n"),
    };
    shown + &note(explained.trim_end())
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
        let (caption, share) = match &sample.verdict {
            Verdict::Class { truth, predicted, share, is_right } => {
                let (truth, predicted) = (text(truth), text(predicted));
                let caption = match is_right {
                    true => format!("<span class=\"right\">{predicted}</span> is right"),
                    false => format!("{truth} taken for <span class=\"wrong\">{predicted}</span>"),
                };
                (caption, format!("{} · ", percent(*share)))
            }
            Verdict::Values { truth, predicted } => {
                let fixed = Fixed::of(truth.iter().chain(predicted).copied());
                let [truth, predicted] = [truth, predicted].map(|values| text(&fixed.list(values)));
                (format!("{truth} predicted as <span class=\"wrong\">{predicted}</span>"), String::new())
            }
        };
        format!(
            "<li><img src=\"{url}\" width=\"{width}\" height=\"{height}\" alt=\"sample {number}\"/>\
             <p>{caption}</p><p class=\"number\">{share}#{number}</p></li>\n"
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
    // Numbers below each other have as many digits behind the point.
    let verdicts = samples.iter().map(|sample| &sample.verdict);
    let all = verdicts.flat_map(|verdict| match verdict {
        Verdict::Values { truth, predicted } => [truth.as_slice(), predicted.as_slice()].concat(),
        Verdict::Class { .. } => Vec::new(),
    });
    let fixed = Fixed::of(all);
    let row = |sample: &Sample| {
        let Look::Cells(cells) = &sample.look else { return Vec::new() };
        let mut row = vec![Cell::number(&sample.number.to_string())];
        match &sample.verdict {
            Verdict::Class { truth, predicted, share, .. } => {
                row.extend([Cell::text(truth), Cell::text(predicted), Cell::number(&percent(*share))]);
            }
            Verdict::Values { truth, predicted } => {
                row.extend([truth, predicted].map(|values| Cell::number(&fixed.list(values))));
                if let ([truth], [predicted]) = (truth.as_slice(), predicted.as_slice()) {
                    let error = predicted - truth;
                    let plus = if error > 0.0 { "+" } else { "" };
                    row.push(Cell::best(&format!("{plus}{}", fixed.text(error))));
                }
            }
        }
        row.extend(cells.iter().map(|(_, value)| Cell::of(value)));
        row
    };
    let rows: Vec<Vec<Cell>> = samples.iter().map(row).collect();
    let names = std::iter::once(&"row").chain(verdict).chain(&names);
    let is_number = |column: usize| rows.iter().all(|row| row.get(column).is_some_and(Cell::is_number));
    let columns = names.enumerate().map(|(column, name)| (*name, is_number(column)));
    table(&Head { groups: Vec::new(), columns: columns.collect() }, rows)
}

/// Numbers with so many digits behind the point; too large or too small for that, in scientific notation.
#[derive(Clone, Copy)]
struct Fixed(Option<usize>);

/// Most numbers of a sample that are listed.
const MOST_VALUES: usize = 4;

impl Fixed {
    /// So that the largest number has about five digits.
    fn of(values: impl IntoIterator<Item = f64>) -> Fixed {
        let largest =
            values.into_iter().filter(|value| value.is_finite()).fold(0.0f64, |most, value| most.max(value.abs()));
        match largest {
            0.0 => Fixed(Some(1)),
            1e-3..1e7 => Fixed(Some((4.0 - libm::floor(libm::log10(largest))).max(0.0) as usize)),
            _ => Fixed(None),
        }
    }

    fn text(self, value: f64) -> String {
        let text = match self.0 {
            Some(digits) => format!("{value:.digits$}"),
            None => format!("{value:.3e}"),
        };
        text.replacen('-', "−", 1)
    }

    fn list(self, values: &[f64]) -> String {
        let shown: Vec<String> = values.iter().take(MOST_VALUES).map(|&value| self.text(value)).collect();
        let more = if values.len() > MOST_VALUES { ", …" } else { "" };
        shown.join(", ") + more
    }
}

/// `99.8%`, `100%`.
fn percent(share: f64) -> String {
    match share {
        0.9995.. => "100%".into(),
        share if share.is_finite() => format!("{:.1}%", 100.0 * share),
        _ => "–".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_below_each_other() {
        let text = |values: &[f64]| values.iter().map(|&v| Fixed::of(values.to_vec()).text(v)).collect::<Vec<_>>();
        assert_eq!(text(&[308.09, -75.567, 0.0]), ["308.09", "−75.57", "0.00"]);
        assert_eq!(text(&[0.5, 0.1234567]), ["0.50000", "0.12346"]);
        assert_eq!(text(&[2e9, 1.0]), ["2.000e9", "1.000e0"]);
        assert_eq!(text(&[f64::NAN, 1.0]), ["NaN", "1.0000"]);
        assert_eq!([0.99999, 0.5, f64::NAN].map(percent), ["100%", "50.0%", "–"]);
    }
}
