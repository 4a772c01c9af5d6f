//! What is trained, and where it begins: a graph file with the options beside it, or a run that goes on.

use super::args::{Args, Every, Kept};
use super::work::Work;
use crate::error::CliError;
use crate::{graph_file, messages, shell};
use graphc::experiment;
use graphc::experiment::Chosen;
use graphc_driver::BITS_REVISION;
use graphc_frontend::Experiment;
use graphc_train::run::{Begin, Checkpoint, Stored};
use graphc_train::{FitOptions, RunFolder};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A training that can begin.
pub(super) struct Setup {
    pub(super) experiment: Experiment,
    pub(super) options: FitOptions,
    pub(super) folder: RunFolder,
    /// What it goes on from.
    pub(super) from: Option<Checkpoint>,
    pub(super) settings: Settings,
    /// The graph file's bytes.
    pub(super) graph: Vec<u8>,
    /// Where the paths of its data files start.
    pub(super) data_folder: PathBuf,
}

/// What a run keeps of its command line.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The graph file as it was given.
    pub(super) file: PathBuf,
    /// The same wherever one stands: its data files are found from there.
    pub(super) absolute: PathBuf,
    epochs: usize,
    batch_size: usize,
    learning_rate: f64,
    seed: u64,
    pub(super) limit: Option<usize>,
    pub(super) init: Option<PathBuf>,
    /// The same wherever one stands.
    pub(super) absolute_init: Option<PathBuf>,
    allow_nonfinite: bool,
    checkpoint_every: Every,
    pub(super) keep_checkpoints: Kept,
}

impl Setup {
    pub(super) fn new(args: &Args) -> Result<Setup, CliError> {
        match (&args.resume, &args.file) {
            (Some(run), file) => Setup::resumed(run, file.as_deref(), args),
            (None, Some(file)) => Setup::fresh(file, args),
            (None, None) => Err(CliError::new("a graph file is needed, or `--resume RUN`")),
        }
    }

    fn fresh(file: &Path, args: &Args) -> Result<Setup, CliError> {
        let graph = args.sizes.read(file)?;
        let experiment = graph_file::parse_with_data(&graph, file)?;
        let train = &experiment.train;
        let learning_rate = experiment::learning_rate(&experiment);
        let settings = Settings {
            file: file.to_path_buf(),
            absolute: absolute(file)?,
            epochs: args.epochs.unwrap_or(train.epochs),
            batch_size: args.batch_size.unwrap_or(train.batch_size),
            learning_rate: args.lr.unwrap_or(learning_rate),
            seed: args.seed.unwrap_or(train.seed),
            limit: args.limit,
            init: args.init.clone(),
            absolute_init: args.init.as_deref().map(absolute).transpose()?,
            allow_nonfinite: args.allow_nonfinite,
            checkpoint_every: args.checkpoint_every.clone().unwrap_or_default(),
            keep_checkpoints: args.keep_checkpoints.unwrap_or_default(),
        };
        let folder = match &args.out {
            Some(path) => RunFolder::create(path)?,
            None => RunFolder::numbered(Path::new("runs"), &experiment.name)?,
        };
        let options = settings.fit_options(&experiment, args)?;
        let data_folder = folder_of(file);
        Ok(Setup { experiment, options, folder, from: None, settings, graph, data_folder })
    }

    fn resumed(run: &Path, file: Option<&Path>, args: &Args) -> Result<Setup, CliError> {
        if args.sizes.is_given() {
            return Err(CliError::new("`--size` of a run stays what it was when it began"));
        }
        let folder = RunFolder::resume(run)?;
        let (Stored { checkpoint, settings, skipped }, graph) = folder.stored()?;
        skipped.iter().for_each(|reason| messages::warning(&format!("{reason}; the one before it is used")));
        warn_of_revision(&checkpoint);
        let damaged = || CliError::new(format!("{}: the checkpoint says nothing of the options", run.display()));
        let mut settings = Settings::of_json(&settings).ok_or_else(damaged)?;
        if let Some(file) = file {
            if graphc_frontend::read_file(file)? != graph {
                let (file, run) = (file.display(), run.display());
                return Err(CliError::new(format!(
                    "{file}: not the graph file that {run} began with; leave it out to go on with that one, which is \
                     {run}/graph.json, or begin a new run from its weights with `--init`"
                )));
            }
            // The data may have moved with it.
            settings.absolute = absolute(file)?;
        }
        settings.change(args)?;
        if settings.epochs < checkpoint.state.epoch && checkpoint.state.step > 0 {
            let epoch = checkpoint.state.epoch;
            return Err(CliError::new(format!("`--epochs {}`: the run is in epoch {epoch} already", settings.epochs)));
        }
        let experiment = graph_file::parse_with_data(&graph, &settings.absolute)?;
        let options = settings.fit_options(&experiment, args)?;
        let data_folder = folder_of(&settings.absolute);
        Ok(Setup { experiment, options, folder, from: Some(checkpoint), settings, graph, data_folder })
    }

    /// What is to be done.
    pub(super) fn work<'a>(&'a self, args: &'a Args) -> Work<'a> {
        Work {
            experiment: &self.experiment,
            graph: &self.graph,
            data_folder: &self.data_folder,
            options: &self.options,
            limit: self.settings.limit,
            init: args.init.as_deref(),
            begun: self.begun(),
        }
    }

    /// What it was made of when it began, if it has begun.
    fn begun(&self) -> Option<&Begin> {
        Some(&self.from.as_ref()?.state.receipt.as_ref()?.begin.entry)
    }
}

/// Bits of another revision make another run of it.
fn warn_of_revision(checkpoint: &Checkpoint) {
    let options = checkpoint.state.receipt.iter().flat_map(|receipt| receipt.options());
    if let Some(revision) = options.last().map(|(_, options)| options.bits).filter(|&bits| bits != BITS_REVISION) {
        messages::warning(&format!(
            "the run has gone on with revision {revision} of graphc's bits until now, but this graphc computes those of revision \
             {BITS_REVISION}: it will not come to the bits of an uninterrupted run, and nobody can verify its receipt"
        ));
    }
}

/// As reading a graph file takes it.
pub(crate) fn folder_of(file: &Path) -> PathBuf {
    file.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Found from anywhere; links stay, since data is found from where the link is.
fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    std::path::absolute(path).map_err(|error| CliError::new(format!("{}: {error}", path.display())))
}

impl Settings {
    /// For [`graphc_train::run::CheckpointWriter`]. Real numbers stand as text, bit for bit.
    pub(super) fn json(&self) -> Value {
        json!({
            "graph": shell::path_json(&self.absolute),
            "file": shell::path_json(&self.file),
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate.to_string(),
            "seed": self.seed,
            "limit": self.limit,
            "init": self.init.as_deref().map(shell::path_json),
            "absolute_init": self.absolute_init.as_deref().map(shell::path_json),
            "allow_nonfinite": self.allow_nonfinite,
            "checkpoint_every": self.checkpoint_every.text,
            "keep_checkpoints": self.keep_checkpoints.to_string(),
        })
    }

    fn of_json(json: &Value) -> Option<Settings> {
        let size = |name: &str| json[name].as_u64().and_then(|n| usize::try_from(n).ok());
        Some(Settings {
            file: shell::json_path(&json["file"])?,
            absolute: shell::json_path(&json["graph"])?,
            epochs: size("epochs")?,
            batch_size: size("batch_size")?,
            learning_rate: json["learning_rate"].as_str()?.parse().ok()?,
            seed: json["seed"].as_u64()?,
            limit: size("limit"),
            init: shell::json_path(&json["init"]),
            absolute_init: shell::json_path(&json["absolute_init"]),
            allow_nonfinite: json["allow_nonfinite"].as_bool()?,
            checkpoint_every: json["checkpoint_every"].as_str()?.parse().ok()?,
            keep_checkpoints: json["keep_checkpoints"].as_str()?.parse().ok()?,
        })
    }

    /// Takes in what a command line that goes on with a run says otherwise.
    fn change(&mut self, args: &Args) -> Result<(), CliError> {
        let fixed = [
            ("--batch-size", args.batch_size.map(|n| n as u64), Some(self.batch_size as u64)),
            ("--seed", args.seed, Some(self.seed)),
            ("--limit", args.limit.map(|n| n as u64), self.limit.map(|n| n as u64)),
        ];
        for (option, given, known) in fixed {
            if given.is_some() && given != known {
                let known = known.map_or("none".into(), |known| known.to_string());
                return Err(CliError::new(format!("`{option}` of a run stays what it was when it began: {known}")));
            }
        }
        self.epochs = args.epochs.unwrap_or(self.epochs);
        self.learning_rate = args.lr.unwrap_or(self.learning_rate);
        self.allow_nonfinite |= args.allow_nonfinite;
        if let Some(every) = &args.checkpoint_every {
            self.checkpoint_every = every.clone();
        }
        self.keep_checkpoints = args.keep_checkpoints.unwrap_or(self.keep_checkpoints);
        Ok(())
    }

    fn fit_options(&self, experiment: &Experiment, args: &Args) -> Result<FitOptions, CliError> {
        let chosen = Chosen {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            seed: self.seed,
            allow_nonfinite: self.allow_nonfinite,
            checkpoints: self.checkpoint_every.value.clone(),
        };
        Ok(experiment::fit_options(experiment, chosen, args.machine.threads.loading())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_back() {
        let settings = Settings {
            file: "a b.json".into(),
            absolute: "/x/a b.json".into(),
            epochs: 3,
            batch_size: 64,
            learning_rate: 0.1 + 0.2,
            seed: u64::MAX,
            limit: None,
            init: Some("w".into()),
            absolute_init: Some("/x/w".into()),
            allow_nonfinite: true,
            checkpoint_every: "2m".parse().unwrap(),
            keep_checkpoints: Kept(usize::MAX),
        };
        let text = settings.json().to_string();
        let read = Settings::of_json(&serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{settings:?}"));
        assert!(Settings::of_json(&Value::Null).is_none());
    }
}
