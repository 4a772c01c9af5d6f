//! What a run's folder says.

use super::mistakes::{Findings, look};
use crate::error::CliError;
use crate::{shell, words};
use graphc_train::{EpochRecord, History, RunFolder};
use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A run, read.
pub(crate) struct Run {
    /// Its folder, as it was given.
    pub(super) folder: PathBuf,
    /// What it is called on the page.
    pub(super) name: String,
    /// `run.json`.
    pub(super) record: Value,
    pub(super) history: History,
    /// `graph.json`, if it can be read.
    pub(super) graph: Value,
    /// `receipt.json`, if there is one.
    pub(super) receipt: Option<Value>,
    /// What its weights do with its data, or why that is not known.
    pub(super) findings: Result<Findings, String>,
}

/// What a run was going by, and how good each epoch was by that.
#[derive(Clone, Copy)]
pub(super) struct BestEpoch<'a> {
    pub(super) record: &'a EpochRecord,
    pub(super) monitor: &'a str,
}

impl Run {
    /// Reads the files of a run, and has its weights predict its data.
    ///
    /// # Errors
    /// If it is no run, or one of its files cannot be read.
    pub(crate) fn read(folder: &Path) -> Result<Run, CliError> {
        let record = match read_record(folder)? {
            Some(record) if record["results"].is_object() && record["config"].is_object() => record,
            Some(_) => {
                let path = folder.join("run.json");
                return Err(CliError::new(format!(
                    "{}: expected what a run writes: `config` and `results`",
                    path.display()
                )));
            }
            None => {
                let message = "there is no `run.json`; expected the folder of a run that has begun";
                return Err(CliError::new(format!("{}: {message}", folder.display())));
            }
        };
        let history = History::read_csv(&folder.join("history.csv"))?;
        let findings = look(folder, &record, &graph_path(folder, &record)).map_err(|error| error.brief());
        let json = |name: &str| serde_json::from_slice::<Value>(&fs::read(folder.join(name)).ok()?).ok();
        Ok(Run {
            folder: folder.to_path_buf(),
            name: String::new(),
            record,
            history,
            graph: json("graph.json").unwrap_or_default(),
            receipt: json("receipt.json"),
            findings,
        })
    }

    /// Calls runs by the names of their folders, or where two have the same, by their paths as given.
    pub(crate) fn name_all(runs: &mut [Run]) {
        let own_name = |run: &Run| {
            let path = std::path::absolute(&run.folder).unwrap_or_default();
            path.file_name().map_or_else(|| run.folder.display().to_string(), |name| name.to_string_lossy().into())
        };
        let names: Vec<String> = runs.iter().map(own_name).collect();
        for (run, name) in runs.iter_mut().zip(&names) {
            let is_unique = names.iter().filter(|other| *other == name).count() == 1;
            run.name = if is_unique { name.clone() } else { run.folder.display().to_string() };
        }
    }

    /// The name of the network.
    pub(super) fn network(&self) -> &str {
        self.record["name"].as_str().unwrap_or_default()
    }

    pub(super) fn results(&self) -> &Value {
        &self.record["results"]
    }

    /// A number of the results.
    pub(super) fn result(&self, name: &str) -> Option<f64> {
        self.results()[name].as_f64()
    }

    /// The best epoch: the one that the run itself took for it, or else the first with the lowest `val_loss`, or `loss`
    /// if nothing was validated.
    pub(super) fn best(&self) -> Option<BestEpoch<'_>> {
        let results = self.results();
        let records = &self.history.records;
        if let (Some(monitor), Some(epoch)) = (results["monitor"].as_str(), results["best_epoch"].as_u64()) {
            let record = records.iter().find(|record| record.epoch as u64 == epoch)?;
            return Some(BestEpoch { record, monitor });
        }
        let monitor = if records.first()?.val_loss.is_some() { "val_loss" } else { "loss" };
        let value = |record: &EpochRecord| record.value(monitor).filter(|value| value.is_finite());
        let finite = records.iter().filter(|record| value(record).is_some());
        let record = finite.min_by(|a, b| value(a).unwrap_or(f64::NAN).total_cmp(&value(b).unwrap_or(f64::NAN)))?;
        Some(BestEpoch { record, monitor })
    }

    /// The epoch of which `model.safetensors` has the weights, as far as epochs tell.
    pub(super) fn kept(&self) -> Option<&EpochRecord> {
        match self.results()["kept"].as_str() {
            Some("best") => self.best().map(|best| best.record),
            _ => self.history.records.last(),
        }
    }
}

/// Where the graph file was, from where its data is found.
fn graph_path(folder: &Path, record: &Value) -> PathBuf {
    let settings = RunFolder::settings(folder).unwrap_or_default();
    let path = shell::json_path(&settings["graph"]).or_else(|| shell::json_path(&record["config"]["graph"]));
    path.unwrap_or_else(|| folder.join("graph.json"))
}

/// The `run.json` of a folder; nothing if there is none: it is another folder or a file, or the run has not begun. One
/// that was killed says that it is running; that is put right here.
///
/// # Errors
/// If it cannot be read or is no JSON.
pub(crate) fn read_record(folder: &Path) -> Result<Option<Value>, CliError> {
    let path = folder.join("run.json");
    let error = |error: &dyn std::fmt::Display| CliError::new(format!("{}: {error}", path.display()));
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(cause) => return Err(error(&cause)),
    };
    let mut record: Value = serde_json::from_slice(&bytes).map_err(|cause| error(&format!("not JSON: {cause}")))?;
    if record["results"]["status"] == "running" && !RunFolder::is_going_on(folder) {
        record["results"]["status"] = "interrupted".into();
    }
    Ok(Some(record))
}

/// `2 min 13 s`, without a line break in it.
pub(super) fn time_text(seconds: f64) -> String {
    let text = match (seconds, seconds.round() as u64) {
        (..60.0, _) => format!("{seconds:.1} s"),
        (_, s @ 0..3600) => format!("{} min {:02} s", s / 60, s % 60),
        (_, s) => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    };
    text.replace(' ', "\u{a0}")
}

/// Whole numbers of JSON with commas.
pub(super) fn count_text(value: &Value) -> String {
    value.as_u64().map_or_else(String::new, |n| words::grouped(n as usize))
}

/// Each once, in the order in which they come.
pub(super) fn unique<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names {
        if !all.iter().any(|known| known == name) {
            all.push(name.into());
        }
    }
    all
}
