//! What the training loop's observer shows: a bar per epoch on a terminal, a line per epoch everywhere.

use crate::error::CliError;
use crate::nonfinite::Rescue;
use crate::{messages, output};
use graphc_driver::SavedState;
use graphc_train::nonfinite::Noticed;
use graphc_train::{EpochRecord, Observer, Progress};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Bars and lines.
    Human,
    /// One JSON object a line.
    Json,
    /// Nothing.
    Quiet,
}

/// A bar on a terminal; hidden elsewhere, and without a template.
pub(crate) fn bar(template: Option<&str>) -> ProgressBar {
    let Some(template) = template.filter(|_| std::io::stderr().is_terminal()) else { return ProgressBar::hidden() };
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    ProgressBar::new(0).with_style(style)
}

/// Shows progress. A reader that closes the output stops the run; any other failure to write is told once, and at the
/// end.
pub(crate) struct Reporter<'a> {
    style: Style,
    n_epochs: usize,
    bar: Option<ProgressBar>,
    drawn: Instant,
    /// Seconds of the last whole epoch.
    epoch_seconds: Option<f64>,
    first_step: Option<Instant>,
    stop: &'a AtomicBool,
    error: Option<CliError>,
    rescue: Option<Rescue>,
}

const REDRAW: Duration = Duration::from_millis(60);

impl<'a> Reporter<'a> {
    pub(crate) fn new(style: Style, n_epochs: usize, stop: &'a AtomicBool) -> Reporter<'a> {
        Reporter {
            style,
            n_epochs,
            bar: None,
            drawn: Instant::now(),
            epoch_seconds: None,
            first_step: None,
            stop,
            error: None,
            rescue: None,
        }
    }

    /// Where weights go before it is searched where a number has stopped being finite.
    pub(crate) fn set_rescue(&mut self, rescue: Rescue) {
        self.rescue = Some(rescue);
    }

    /// How much is said.
    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// When the first step was done, if one was.
    pub(crate) fn first_step(&self) -> Option<Instant> {
        self.first_step
    }

    /// Why output failed, if it did.
    pub(crate) fn error(&self) -> Option<&CliError> {
        self.error.as_ref()
    }

    /// Writes a result.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        let Err(error) = output::line(text) else { return };
        match &error {
            CliError::ClosedPipe => self.stop.store(true, Ordering::Relaxed),
            CliError::Message(message) if self.error.is_none() => messages::warning(message),
            _ => {}
        }
        self.error.get_or_insert(error);
    }

    /// Takes the bar away.
    pub(crate) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Reporter<'_> {
    fn epoch_started(&mut self, epoch: usize, n_steps: usize) {
        // Of 80 columns: 13 for `epoch 100/300`, 12 for the bar, 11 for `12345/12345`, the message takes the rest.
        let template = "{prefix} {bar:12} {pos}/{len}  {msg}";
        let bar = bar((self.style == Style::Human).then_some(template));
        if bar.is_hidden() {
            return;
        }
        bar.set_length(n_steps as u64);
        bar.set_prefix(format!("epoch {epoch:>2}/{}", self.n_epochs));
        self.bar = Some(bar);
    }

    fn step_done(&mut self, progress: &Progress) {
        self.first_step.get_or_insert_with(Instant::now);
        let Some(bar) = &self.bar else { return };
        // A step takes a few milliseconds or less: text is made for what can be seen.
        if self.drawn.elapsed() < REDRAW && progress.step < progress.n_steps {
            return;
        }
        self.drawn = Instant::now();
        let rate = progress.samples as f64 / progress.seconds.max(1e-9);
        let accuracy = progress.accuracy.map_or_else(String::new, |value| format!("  acc {value:.4}"));
        let left = clock(seconds_left(progress, self.n_epochs, self.epoch_seconds));
        bar.set_message(format!("loss {:.4}{accuracy}  {}/s  {left} left", progress.loss, short(rate)));
        bar.set_position(progress.step as u64);
    }

    fn epoch_done(&mut self, record: &EpochRecord, is_best: bool) {
        self.clear();
        self.epoch_seconds = Some(record.seconds);
        match self.style {
            Style::Human => self.line(epoch_line(record, self.n_epochs, is_best)),
            Style::Json => self.line(epoch_json(record).to_string()),
            Style::Quiet => {}
        }
    }

    fn nonfinite_allowed(&mut self, noticed: &Noticed) {
        messages::warning(&format!("{noticed}; training goes on"));
    }

    fn search_started(&mut self, noticed: &Noticed, kept: &SavedState) {
        if let Some(rescue) = &self.rescue {
            rescue.write(kept);
        }
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if self.style == Style::Human {
            messages::warning(&format!("{noticed};\nlooking for where that begins; Ctrl-C ends the search"));
        }
    }
}

impl Drop for Reporter<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Of the whole training: the rest of this epoch, and the others as long as the last one, or else as this one.
fn seconds_left(progress: &Progress, n_epochs: usize, last_epoch: Option<f64>) -> f64 {
    let share = progress.step as f64 / progress.n_steps.max(1) as f64;
    let epoch = last_epoch.unwrap_or(progress.seconds / share.max(1e-9));
    epoch * (1.0 - share + n_epochs.saturating_sub(progress.epoch) as f64)
}

/// `7s`, `12m`, `3h 20m`, `4d`.
fn clock(seconds: f64) -> String {
    match seconds.round() as u64 {
        s @ 0..100 => format!("{s}s"),
        s @ 100..6000 => format!("{}m", s.div_ceil(60)),
        s @ 6000..360_000 => format!("{}h {:02}m", s / 3600, s % 3600 / 60),
        s => format!("{}d", s / 86_400),
    }
}

/// `850`, `12.3k`, `1.2M`.
fn short(value: f64) -> String {
    match value {
        0.0..1e3 => format!("{value:.0}"),
        1e3..1e6 => format!("{:.1}k", value / 1e3),
        _ => format!("{:.1}M", value / 1e6),
    }
}

/// `0.001`, `5.12e-4`.
pub(crate) fn rate_text(rate: f64) -> String {
    let (plain, scientific) = (rate.to_string(), format!("{rate:.2e}"));
    if plain.len() <= scientific.len() { plain } else { scientific }
}

/// The best epoch so far has a star. Where the line would have more than 80 columns, the learning rate is left out.
fn epoch_line(record: &EpochRecord, n_epochs: usize, is_best: bool) -> String {
    const WIDTH: usize = 80;
    let time = match record.seconds {
        ..100.0 => format!("{:.2} s", record.seconds),
        seconds => clock(seconds),
    };
    let mut line = format!("epoch {:>2}/{n_epochs}  {time}  loss {:.4}", record.epoch, record.loss);
    let values = [("  acc", record.accuracy), ("  val", record.val_loss), ("", record.val_accuracy)];
    for (name, value) in values {
        if let Some(value) = value {
            line.push_str(&format!("{name} {value:.4}"));
        }
    }
    // Several losses are told of where they are validated, or else of the training.
    let losses = if record.val_loss.is_none() { record.losses.as_slice() } else { &[] };
    for (name, value) in losses.iter().chain(&record.val_metrics) {
        let text = format!("  {name} {value:.4}");
        if line.len() + text.len() <= WIDTH {
            line.push_str(&text);
        }
    }
    let star = if is_best { " *" } else { "" };
    let rate = format!("  lr {}", rate_text(record.learning_rate));
    if line.len() + rate.len() + star.len() <= WIDTH {
        line.push_str(&rate);
    }
    line + star
}

fn epoch_json(record: &EpochRecord) -> serde_json::Value {
    let mut json = json!({
        "epoch": record.epoch,
        "loss": record.loss,
        "accuracy": record.accuracy,
        "val_loss": record.val_loss,
        "val_accuracy": record.val_accuracy,
        "seconds": record.seconds,
        "learning_rate": record.learning_rate,
    });
    for (name, value) in &record.losses {
        json[name] = json!(value);
    }
    for (name, value) in &record.val_metrics {
        json[format!("val_{name}")] = json!(value);
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let record = EpochRecord {
            epoch: 3,
            loss: 0.125,
            accuracy: Some(0.96),
            val_loss: Some(0.25),
            val_accuracy: None,
            losses: Vec::new(),
            val_metrics: Vec::new(),
            seconds: 1.234,
            learning_rate: 0.001,
        };
        assert_eq!(
            epoch_line(&record, 30, false),
            "epoch  3/30  1.23 s  loss 0.1250  acc 0.9600  val 0.2500  lr 0.001"
        );
        let record = EpochRecord { val_accuracy: Some(0.9), learning_rate: 0.000_512_345, ..record };
        let line = "epoch  3/30  1.23 s  loss 0.1250  acc 0.9600  val 0.2500 0.9000  lr 5.12e-4 *";
        assert_eq!((epoch_line(&record, 30, true).as_str(), line.len() <= 80), (line, true));
        let long = EpochRecord { epoch: 100, seconds: 4000.0, loss: 12345.0, ..record.clone() };
        let line = "epoch 100/1000  67m  loss 12345.0000  acc 0.9600  val 0.2500 0.9000 *";
        assert_eq!(epoch_line(&long, 1000, true), line);
        // Metrics as far as there is room.
        let val_metrics = vec![("f1".into(), 0.5), ("precision".into(), 0.75), ("top_5".into(), 1.0)];
        let record = EpochRecord { val_accuracy: None, learning_rate: 0.001, val_metrics, ..record };
        let line = "epoch  3/30  1.23 s  loss 0.1250  acc 0.9600  val 0.2500  f1 0.5000  lr 0.001";
        assert_eq!(epoch_line(&record, 30, false), line);
        assert_eq!(
            epoch_json(&record).to_string(),
            r#"{"epoch":3,"loss":0.125,"accuracy":0.96,"val_loss":0.25,"val_accuracy":null,"seconds":1.234,"learning_rate":0.001,"val_f1":0.5,"val_precision":0.75,"val_top_5":1.0}"#
        );
    }

    #[test]
    fn time_that_is_left() {
        let progress =
            Progress { epoch: 3, step: 25, n_steps: 100, samples: 0, loss: 0.0, accuracy: None, seconds: 5.0 };
        assert_eq!(seconds_left(&progress, 5, None), 20.0 * 2.75);
        assert_eq!(seconds_left(&progress, 5, Some(40.0)), 40.0 * 2.75);
        assert_eq!([0.4, 99.0, 100.0, 5999.0, 6000.0, 1e6].map(clock), ["0s", "99s", "2m", "100m", "1h 40m", "11d"]);
        assert_eq!([850.0, 12_345.0, 1.2e6].map(short), ["850", "12.3k", "1.2M"]);
        assert_eq!([0.001, 0.000_5, 0.012_345_678, 0.0].map(rate_text), ["0.001", "0.0005", "1.23e-2", "0"]);
    }
}
