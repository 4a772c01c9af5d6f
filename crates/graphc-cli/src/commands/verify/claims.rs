//! What a run folder says of its run.

use super::super::train::folder_of;
use super::failure::{Failure, differs};
use crate::error::CliError;
use crate::{messages, shell};
use graphc::experiment;
use graphc_frontend::Experiment;
use graphc_train::run::files::{read_at, steps};
use graphc_train::run::receipt::{Measured, first_field};
use graphc_train::run::{Checkpoint, FileHash, Receipt};
use graphc_train::run_folder::{GRAPH, RECEIPT};
use graphc_train::{History, TrainError};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Everything but tensors.
pub(super) struct Claims {
    pub(super) run: PathBuf,
    pub(super) receipt: Receipt,
    /// Bytes of its graph file.
    pub(super) graph: Vec<u8>,
    /// `run.json`.
    info: Value,
}

impl Claims {
    /// Reads the receipt, which fits together in itself, and what stands beside it.
    pub(super) fn read(run: &Path) -> Result<Claims, Failure> {
        let path = run.join(RECEIPT);
        if run.is_dir() && !path.exists() {
            return Err(CliError::new(format!(
                "{}: there is no `{RECEIPT}`: a run writes it in the end, and `graphc train --resume` comes to there",
                run.display()
            ))
            .into());
        }
        let receipt = Receipt::read(&path)?;
        let graph = graphc_frontend::read_file(&run.join(GRAPH)).map_err(CliError::from)?;
        let path = run.join("run.json");
        let info = fs::read(&path).map_err(|error| TrainError::io(&path, "read what it says of the run", &error))?;
        let info = serde_json::from_slice(&info)
            .map_err(|error| CliError::new(format!("{}: not what a run writes: {error}", path.display())))?;
        Ok(Claims { run: run.to_path_buf(), receipt, graph, info })
    }

    /// Compares the other files with the receipt, as far as they say the same.
    pub(super) fn compare(&self) -> Result<(), Failure> {
        let graph = FileHash::of_bytes(&self.graph);
        let begin = &self.receipt.begin.entry;
        if graph != begin.graph {
            let path = self.run.join(GRAPH);
            let message = "is not the graph file of the receipt";
            let hashes = format!("sha256 {} here, {} in the receipt", graph.sha256, begin.graph.sha256);
            return Err(differs(format!("{} {message} ({hashes})", path.display())));
        }
        self.compare_info()?;
        self.compare_history()
    }

    fn compare_info(&self) -> Result<(), Failure> {
        let (info, begin) = (&self.info, &self.receipt.begin.entry);
        let config = &info["config"];
        let said = json!({ "seed": info["seed"], "batch_size": config["batch_size"], "limit": config["limit"] });
        let expected = json!({ "seed": begin.seed, "batch_size": begin.batch_size, "limit": begin.limit });
        if let Some((field, expected, said)) = first_field(&expected, &said) {
            return Err(self.differs("run.json", &field, &said, &expected));
        }
        let Some(end) = self.receipt.end.as_ref().filter(|_| info["results"]["status"] == "finished") else {
            return Ok(());
        };
        let Some(test) = &end.entry.test else { return Ok(()) };
        let results = [("test_loss", Some(test.loss)), ("test_accuracy", test.accuracy)];
        for (field, expected) in results {
            let said = info["results"][field].as_f64();
            // What is not finite is null there, and reading JSON may round.
            let expected = expected.filter(|value| value.is_finite());
            let is_same = match (said, expected) {
                (Some(said), Some(expected)) => (said - expected).abs() <= expected.abs() * 4.0 * f64::EPSILON,
                (said, expected) => said == expected,
            };
            if !is_same {
                let text = |value: Option<f64>| value.map_or_else(|| "none".into(), |value| value.to_string());
                return Err(self.differs("run.json", field, &text(said), &text(expected)));
            }
        }
        Ok(())
    }

    fn compare_history(&self) -> Result<(), Failure> {
        let history = History::read_csv(&self.run.join("history.csv"))?;
        for link in &self.receipt.epochs[1.min(self.receipt.epochs.len())..] {
            let epoch = link.entry.epoch;
            let Some(record) = history.records.get(epoch - 1) else {
                return Err(differs(format!("{}: epoch {epoch} is missing", self.run.join("history.csv").display())));
            };
            // Metrics stand in it as lists of pairs, which compare as a whole.
            let (expected, said) = (json!(link.entry.measured), json!(Measured::from(record)));
            if let Some((field, expected, said)) = first_field(&expected, &said) {
                return Err(self.differs("history.csv", &format!("epoch {epoch}: {field}"), &said, &expected));
            }
        }
        Ok(())
    }

    fn differs(&self, file: &str, field: &str, said: &str, expected: &str) -> Failure {
        let path = self.run.join(file);
        differs(format!("{}: `{field}` is {said} there, {expected} in the receipt", path.display()))
    }

    /// The checkpoint that an epoch begins from, unless that is the first one. It is compared with the receipt.
    pub(super) fn checkpoint_before(&self, epoch: usize) -> Result<Option<Checkpoint>, Failure> {
        if epoch == 1 {
            return Ok(None);
        }
        let steps = steps(&self.run);
        let mut n_steps = None;
        for &step in &steps {
            // A damaged one is told of when it is needed.
            if let Ok((_, checkpoint, _)) = read_at(&self.run, step) {
                n_steps = Some(checkpoint.state.n_steps);
                break;
            }
        }
        let after = epoch - 1;
        let Some(n_steps) = n_steps.filter(|n_steps| steps.contains(&after.saturating_mul(*n_steps))) else {
            let n_steps = n_steps.unwrap_or(1).max(1);
            let whole =
                steps.iter().filter(|&step| step.is_multiple_of(n_steps)).map(|step| (step / n_steps).to_string());
            let there = match whole.collect::<Vec<_>>().as_slice() {
                [] => "there is none after any epoch".into(),
                epochs => format!("there are some after epochs {}", epochs.join(", ")),
            };
            return Err(CliError::new(format!(
                "{}: there is no checkpoint after epoch {after}: {there}. `graphc train --checkpoint-every 1e --keep-checkpoints all` \
                 keeps them; without `--epochs` the whole run is trained again",
                self.run.display()
            ))
            .into());
        };
        let (path, checkpoint, _) = read_at(&self.run, after * n_steps)?;
        if let Some(difference) = self.receipt.difference_of_state(after, &checkpoint.tensors) {
            return Err(Failure::Difference(difference.in_file(&path)));
        }
        let chain = checkpoint.state.receipt.as_ref().map(Receipt::chain);
        if chain != self.receipt.epochs.get(after).map(|link| link.chain.as_str()) {
            let path = path.with_extension("json");
            return Err(differs(format!("{}: it has another receipt of the first {after} epochs", path.display())));
        }
        Ok(Some(checkpoint))
    }

    /// Where the data's paths start.
    pub(super) fn data_folder(&self, given: Option<&Path>) -> Result<PathBuf, CliError> {
        if let Some(given) = given {
            return Ok(given.to_path_buf());
        }
        let path = shell::json_path(&self.info["paths"]["graph"]).ok_or_else(|| {
            let path = self.run.join("run.json");
            CliError::new(format!("{}: it does not say where the graph file was: `--data DIR`", path.display()))
        })?;
        Ok(folder_of(&path))
    }

    /// What is trained; its data files are there.
    pub(super) fn experiment(&self, data: Option<&Path>) -> Result<Experiment, CliError> {
        let folder = self.data_folder(data)?;
        let parsed = experiment::parse_with_data(&self.graph, &folder.join(GRAPH));
        Ok(parsed.inspect_err(|_| {
            if data.is_none() {
                messages::message(&format!(
                    "The graph file was in {}: if the data is elsewhere now, `--data DIR` says from where its paths start.",
                    folder.display()
                ));
            }
        })?)
    }

    /// The weights that the run started from, if it did.
    pub(super) fn init(&self, given: Option<&Path>) -> Result<Option<PathBuf>, CliError> {
        if self.receipt.begin.entry.init.is_none() {
            return Ok(None);
        }
        let known = || shell::json_path(&self.info["paths"]["init"]);
        match given.map(Path::to_path_buf).or_else(known).filter(|path| path.is_file()) {
            Some(path) => Ok(Some(path)),
            None => Err(CliError::new(format!(
                "{}: the run started from weights that are not here: `--init WEIGHTS` says where they are",
                self.run.display()
            ))),
        }
    }
}
