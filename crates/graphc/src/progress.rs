//! What the training loop's observer shows: a bar per epoch on a terminal, a line per epoch everywhere.

use crate::error::CliError;
use crate::nonfinite::Rescue;
use crate::output;
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

/// Shows progress. A reader that closes the output stops the run; any other failure to write is told once, and at the end.
pub(crate) struct Reporter<'a> {
    style: Style,
    n_epochs: usize,
    bar: Option<ProgressBar>,
    drawn: Instant,
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
            CliError::Message(message) if self.error.is_none() => output::warning(message),
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
        let template = "{prefix} {bar:24} batch {pos}/{len}  ETA {eta}  {msg}";
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
        let accuracy = progress.accuracy.map_or_else(String::new, |value| format!("  accuracy {value:.4}"));
        bar.set_message(format!("loss {:.4}{accuracy}  {} samples/s", progress.loss, output::grouped(rate as usize)));
        bar.set_position(progress.step as u64);
    }

    fn epoch_done(&mut self, record: &EpochRecord, _is_best: bool) {
        self.clear();
        match self.style {
            Style::Human => self.line(epoch_line(record, self.n_epochs)),
            Style::Json => self.line(epoch_json(record).to_string()),
            Style::Quiet => {}
        }
    }

    fn nonfinite_allowed(&mut self, noticed: &Noticed) {
        output::warning(&format!("{noticed}; training goes on"));
    }

    fn search_started(&mut self, noticed: &Noticed, kept: &SavedState) {
        if let Some(rescue) = &self.rescue {
            rescue.write(kept);
        }
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if self.style == Style::Human {
            output::warning(&format!("{noticed};\nlooking for where that begins; Ctrl-C ends the search"));
        }
    }
}

impl Drop for Reporter<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

fn epoch_line(record: &EpochRecord, n_epochs: usize) -> String {
    let mut line = format!("epoch {:>2}/{n_epochs}  {:.2} s  loss {:.4}", record.epoch, record.seconds, record.loss);
    let others = [("accuracy", record.accuracy), ("val_loss", record.val_loss), ("val_accuracy", record.val_accuracy)];
    for (name, value) in others {
        if let Some(value) = value {
            line.push_str(&format!("  {name} {value:.4}"));
        }
    }
    for (name, value) in &record.val_metrics {
        let text = format!("  val_{name} {value:.4}");
        if line.len() + text.len() <= LONGEST_LINE {
            line.push_str(&text);
        }
    }
    line
}

/// Metrics that would make the line of an epoch longer than this are left out; the history has them.
const LONGEST_LINE: usize = 120;

fn epoch_json(record: &EpochRecord) -> serde_json::Value {
    let mut json = json!({
        "epoch": record.epoch,
        "loss": record.loss,
        "accuracy": record.accuracy,
        "val_loss": record.val_loss,
        "val_accuracy": record.val_accuracy,
        "seconds": record.seconds,
    });
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
            val_metrics: vec![
                ("f1".into(), 0.5),
                ("top_5".into(), 1.0),
                ("precision".into(), 0.75),
                ("recall".into(), 1.0),
            ],
            seconds: 1.234,
            learning_rate: 0.001,
        };
        let line = "epoch  3/30  1.23 s  loss 0.1250  accuracy 0.9600  val_loss 0.2500  val_f1 0.5000  val_top_5 1.0000  \
                    val_recall 1.0000";
        assert_eq!(epoch_line(&record, 30), line);
        assert_eq!(
            epoch_json(&record).to_string(),
            r#"{"epoch":3,"loss":0.125,"accuracy":0.96,"val_loss":0.25,"val_accuracy":null,"seconds":1.234,"val_f1":0.5,"val_top_5":1.0,"val_precision":0.75,"val_recall":1.0}"#
        );
    }
}
