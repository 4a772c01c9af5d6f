//! What `run.json` says of a run, while it goes on and in the end; and the observer that keeps checkpoints.

use super::outcome::{Costs, Tested};
use super::setup::{Settings, Setup};
use super::work::Prepared;
use crate::nonfinite::Ending;
use crate::progress::Reporter;
use crate::{messages, scores, shell, words};
use graphc_driver::SavedState;
use graphc_frontend::Experiment;
use graphc_ir::Graph;
use graphc_ir::attrs::AttrValue;
use graphc_ir::optimizers::LEARNING_RATE;
use graphc_train::nonfinite::Noticed;
use graphc_train::run::{Checkpoint, CheckpointWriter};
use graphc_train::run_folder::{RunInfo, record};
use graphc_train::{Best, Ended, EpochRecord, FitOptions, FitReport, History, Observer, Progress, TrainError};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What is known of a run when it begins.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    name: String,
    config: Value,
    paths: Value,
    seed: u64,
    target: String,
    compile_ms: f64,
    options: FitOptions,
}

/// Where a run stands, as `results.status` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Running,
    Stopped,
    Failed,
    Finished,
}

impl Facts {
    pub(super) fn new(setup: &Setup, run: &Prepared) -> Facts {
        let Setup { experiment, options, settings, .. } = setup;
        Facts {
            name: experiment.name.clone(),
            config: config(experiment, options, settings, run),
            paths: json!({
                "graph": shell::path_json(&settings.absolute),
                "init": settings.absolute_init.as_deref().map(shell::path_json),
            }),
            seed: options.seed,
            target: run.target.clone(),
            compile_ms: run.compile_ms,
            options: options.clone(),
        }
    }

    /// In the end.
    pub(super) fn at_end(&self, report: &FitReport, tested: Option<&Tested>, costs: Costs, ending: &Ending) -> RunInfo {
        let test = tested.map(|tested| tested.evaluation);
        let status = match (ending.is_failure(), report.stopped) {
            (true, _) => Status::Failed,
            (false, Some(_)) => Status::Stopped,
            (false, None) => Status::Finished,
        };
        let mut info = self.info(status, &report.history, report.ended, report.best);
        info.timings["step_ms_median"] = json!(report.step_ms_median());
        info.timings["first_step_ms"] = json!(costs.first_step_ms);
        info.timings["peak_rss_mb"] = json!(costs.peak_rss_mb);
        info.timings["steps_measured"] = json!(report.step_ms.len());
        let results = &mut info.results;
        results["stopped_in"] = json!(report.stopped.map(|at| json!({ "epoch": at.epoch, "step": at.step })));
        results["test_loss"] = json!(test.map(|test| test.loss));
        results["test_accuracy"] = json!(test.and_then(|test| test.accuracy));
        if let Some(scores) = tested.and_then(|tested| tested.scores.as_ref()) {
            scores::add_json(results, scores);
        }
        if let Some(nonfinite) = ending.json() {
            results["nonfinite"] = nonfinite;
        }
        info
    }

    fn info(&self, status: Status, history: &History, ended: Option<Ended>, best: Option<Best>) -> RunInfo {
        let seconds: f64 = history.records.iter().fold(0.0, |sum, record| sum + record.seconds);
        let monitor = best.map(|_| self.options.monitor(is_validated(history)));
        RunInfo {
            name: self.name.clone(),
            config: self.config.clone(),
            paths: self.paths.clone(),
            seed: self.seed,
            versions: BTreeMap::from([
                ("graphc".to_string(), env!("CARGO_PKG_VERSION").to_string()),
                ("bits".to_string(), graphc_driver::BITS_REVISION.to_string()),
                ("cranelift".to_string(), graphc_driver::CRANELIFT_VERSION.to_string()),
            ]),
            isa: self.target.clone(),
            timings: json!({ "compile_ms": self.compile_ms, "training_seconds": seconds }),
            results: json!({
                "status": match status {
                    Status::Running => "running",
                    Status::Stopped => "stopped",
                    Status::Failed => "failed",
                    Status::Finished => "finished",
                },
                "epochs_finished": history.records.len(),
                "ended": ended,
                "monitor": monitor,
                "best_epoch": best.map(|best| best.epoch),
                "best_value": best.map(|best| best.value),
                "kept": if self.options.keep_best { "best" } else { "last" },
                "stopped_in": null,
                "test_loss": null,
                "test_accuracy": null,
            }),
        }
    }
}

/// Whether epochs were validated.
fn is_validated(history: &History) -> bool {
    history.records.first().is_some_and(|record| record.val_loss.is_some())
}

/// `Best epoch: 7 of 12 (val_loss 0.0412), whose weights are kept`, and why it ended before its time.
pub(super) fn course_text(report: &FitReport, options: &FitOptions) -> Option<String> {
    let n_epochs = report.history.records.len();
    let best = report.best?;
    let monitor = options.monitor(is_validated(&report.history));
    let kept = if report.last.is_some() { ", whose weights are kept" } else { "" };
    let mut text = format!("Best epoch: {} of {n_epochs} ({monitor} {:.4}){kept}", best.epoch, best.value);
    if let (Some(Ended::EarlyStopping), Some(stopping)) = (report.ended, &options.early_stopping) {
        let patience = words::counted(stopping.patience, "epoch");
        text.push_str(&format!("\nEarly stopping: {monitor} has not become better for {patience}"));
    }
    Some(text)
}

fn config(experiment: &Experiment, options: &FitOptions, settings: &Settings, run: &Prepared) -> Value {
    json!({
        "graph": shell::path_json(&settings.file),
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "schedule": options.schedule.rule.name(),
        "optimizer": optimizer_json(&experiment.graph),
        "ema": experiment.train.ema.map(|ema| ema.averaging.decay),
        "accumulate": experiment.train.accumulate,
        "frozen": (!experiment.frozen.is_empty()).then_some(&experiment.frozen),
        "parameter_settings": parameter_settings(experiment),
        "validation_split": experiment.train.validation_split,
        "shuffle": options.shuffle,
        "limit": settings.limit,
        "init": settings.init.as_deref().map(shell::path_json),
        "threads": run.session.threads(),
        "parameters": run.n_parameters,
    })
}

/// What is different for some parameters, by their names; nothing if there are none.
fn parameter_settings(experiment: &Experiment) -> Value {
    let settings = experiment.graph.parameter_settings.iter().map(|(parameter, settings)| {
        let given = settings.given().map(|(name, value)| (name.to_string(), json!(value)));
        (parameter.clone(), Value::Object(given.collect()))
    });
    let settings: Map<String, Value> = settings.collect();
    if settings.is_empty() { Value::Null } else { Value::Object(settings) }
}

/// As in a graph file, if there is one; the learning rate in force stands beside it.
fn optimizer_json(graph: &Graph) -> Option<Value> {
    let optimizer = graph.optimizer.as_ref()?;
    let mut record = json!({ "op": optimizer.name() });
    for (name, value) in optimizer.attrs().0.into_iter().filter(|(name, _)| name != LEARNING_RATE) {
        record[name] = match value {
            AttrValue::Float(value) => json!(value),
            AttrValue::Bool(value) => json!(value),
            value => json!(value.to_string()),
        };
    }
    if let Some(clipping) = graph.clipping {
        record[clipping.name()] = json!(clipping.bound());
    }
    Some(record)
}

/// Tells the reporter everything, and keeps checkpoints.
pub(super) struct Keeper<'a, 'b> {
    reporter: &'a mut Reporter<'b>,
    facts: &'a Facts,
    writer: CheckpointWriter,
    has_warned: bool,
}

impl<'a, 'b> Keeper<'a, 'b> {
    pub(super) fn new(reporter: &'a mut Reporter<'b>, facts: &'a Facts, writer: CheckpointWriter) -> Keeper<'a, 'b> {
        Keeper { reporter, facts, writer, has_warned: false }
    }

    /// Whether the last checkpoint has been written.
    pub(super) fn finish(self) -> Result<(), TrainError> {
        self.writer.finish()
    }
}

impl Observer for Keeper<'_, '_> {
    fn epoch_started(&mut self, epoch: usize, n_steps: usize) {
        self.reporter.epoch_started(epoch, n_steps);
    }

    fn step_done(&mut self, progress: &Progress) {
        self.reporter.step_done(progress);
    }

    fn epoch_done(&mut self, record: &EpochRecord, is_best: bool) {
        self.reporter.epoch_done(record, is_best);
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        let state = &checkpoint.state;
        let info = self.facts.info(Status::Running, &state.history, state.ended, state.course.best);
        let companions = record(&info, &state.history).to_vec();
        // A training is worth more than its checkpoints: the disk may have room again for the next one.
        if let Err(error) = self.writer.write(checkpoint, companions)
            && !std::mem::replace(&mut self.has_warned, true)
        {
            messages::warning(&format!("{error}; training goes on without checkpoints"));
        }
    }

    fn nonfinite_allowed(&mut self, noticed: &Noticed) {
        self.reporter.nonfinite_allowed(noticed);
    }

    fn search_started(&mut self, noticed: &Noticed, kept: &SavedState) {
        self.reporter.search_started(noticed, kept);
    }
}
