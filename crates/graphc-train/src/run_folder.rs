//! The folder of a run: history, curves, weights, and what produced them.
//!
//! A run has its folder from its start on, locked against other runs for as long as it goes on. A copy of the graph
//! file and checkpoints are written while it does ([`crate::run::files`]), the weights at the end. So a folder without
//! a checkpoint was left by a run that came to nothing, and is used again; one with a checkpoint, with weights, or
//! anything else is left alone. Where the folder cannot take the weights in the end (the disk is full, somebody removed
//! it), they go to another place: [`RunFolder::save_weights`].

use crate::error::TrainError;
use crate::files::{check_writable, folder_of, is_at, is_unfinished, remove_unfinished, sync_folder, write_file};
use crate::folder_lock::{Lock, lock};
use crate::history::History;
use crate::plots;
use crate::run::files::{Companion, FOLDER, Place, has_checkpoint, read_newest};
use crate::run::{CheckpointWriter, Receipt, Stored};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Weights, in the end.
pub const WEIGHTS: &str = "model.safetensors";
/// Those of the last epoch, where [`WEIGHTS`] has those of another one.
pub const LAST: &str = "last.safetensors";
/// The graph file.
pub const GRAPH: &str = "graph.json";
/// What another machine can compare with.
pub const RECEIPT: &str = "receipt.json";

/// Milliseconds between tries: somebody may be removing a folder, or looking whether it is in use.
const PATIENCE: [u64; 4] = [1, 10, 50, 0];

/// A folder reserved for one run. Dropped while still empty, it is removed.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// The folder itself; nothing where folders cannot be opened.
    open: Option<File>,
    /// Whether it is locked, which some network file systems cannot do.
    is_locked: bool,
    /// Whether the run goes on that the folder holds.
    is_resumed: bool,
}

/// What `run.json` says.
#[derive(Clone, Debug, Serialize)]
pub struct RunInfo {
    /// Name of the network.
    pub name: String,
    /// The graph file and the training options in force.
    pub config: serde_json::Value,
    /// Where the graph file and weights to start from are, wherever one stands.
    pub paths: serde_json::Value,
    /// Seed of weights and shuffling.
    pub seed: u64,
    /// Versions of the program and of what it depends on for numbers.
    pub versions: BTreeMap<String, String>,
    /// Instruction set the code was made for.
    pub isa: String,
    /// Milliseconds and seconds of the run.
    pub timings: serde_json::Value,
    /// Results at the end.
    pub results: serde_json::Value,
}

/// Whose a folder is.
enum Claim {
    /// Ours from now on.
    Ours(RunFolder),
    /// Another run is going on in it.
    InUse,
    /// It holds something.
    Full(Contents),
}

/// What is in a folder, apart from what a killed program left unfinished.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contents {
    /// Or what a run has left that came to no checkpoint.
    Nothing,
    /// A checkpoint at least.
    Run,
    /// Without a checkpoint.
    Weights,
    Other,
}

impl RunFolder {
    /// Makes `path`, or takes it over if a run has begun there and written nothing.
    ///
    /// # Errors
    /// If it holds something, another run is going on in it, or no file can be made in it.
    pub fn create(path: &Path) -> Result<RunFolder, TrainError> {
        let error = |error| TrainError::io(path, "make the run folder", &error);
        for wait_ms in PATIENCE {
            fs::create_dir_all(path).map_err(error)?;
            match claim(path) {
                Ok(Claim::Ours(folder)) => {
                    check_writable(&folder.weights_path())?;
                    return Ok(folder);
                }
                Ok(Claim::InUse) => {}
                Ok(Claim::Full(Contents::Run)) => {
                    let message = "the run folder holds a run: `--resume` goes on with it, or give another one";
                    return Err(TrainError::file(path, message));
                }
                Ok(Claim::Full(Contents::Weights)) => {
                    return Err(TrainError::file(path, "the run folder holds the weights of a run; give another one"));
                }
                Ok(Claim::Full(_)) => {
                    return Err(TrainError::file(path, "the run folder exists and is not empty; give another one"));
                }
                Err(other) if other.kind() == ErrorKind::NotFound => {}
                Err(other) => return Err(error(other)),
            }
            std::thread::sleep(Duration::from_millis(wait_ms));
        }
        Err(TrainError::file(path, "another training is going on in this run folder; give another one"))
    }

    /// Opens the folder of a run that is to go on.
    ///
    /// # Errors
    /// If it holds no checkpoint, or the run is going on.
    pub fn resume(path: &Path) -> Result<RunFolder, TrainError> {
        let error = |error| TrainError::io(path, "open the run folder", &error);
        let mut waits = PATIENCE.iter();
        let (open, is_locked) = loop {
            match (lock(path).map_err(error)?, waits.next()) {
                (Lock::Held, Some(&wait_ms)) => std::thread::sleep(Duration::from_millis(wait_ms)),
                (Lock::Held, None) => return Err(TrainError::file(path, "this training is going on already")),
                (Lock::Ours(folder), _) => break (Some(folder), true),
                (Lock::None(folder), _) => break (folder, false),
            }
        };
        if !has_checkpoint(path) {
            return Err(TrainError::file(path, "there is no checkpoint to go on from; is this the folder of a run?"));
        }
        remove_unfinished(path);
        Ok(RunFolder { path: path.to_path_buf(), open, is_locked, is_resumed: true })
    }

    /// Whether a run is going on in a folder, as far as its file system can tell.
    pub fn is_going_on(path: &Path) -> bool {
        matches!(lock(path), Ok(Lock::Held))
    }

    /// The run's newest checkpoint, and the graph file it began with.
    ///
    /// # Errors
    /// If there is none that is whole, or the graph file cannot be read.
    pub fn stored(&self) -> Result<(Stored, Vec<u8>), TrainError> {
        let path = self.path.join(GRAPH);
        let graph = fs::read(&path).map_err(|error| TrainError::io(&path, "read the run's graph file", &error))?;
        Ok((read_newest(&self.path)?, graph))
    }

    /// What the writer of checkpoints was given, by the newest one of a folder; nothing if there is none.
    pub fn settings(path: &Path) -> Option<serde_json::Value> {
        crate::run::files::read_settings(path)
    }

    /// Writes a copy of the graph file, and makes room for checkpoints.
    ///
    /// # Errors
    /// If the folder cannot take them.
    pub fn begin(&self, graph: &[u8]) -> Result<(), TrainError> {
        let folder = self.path.join(FOLDER);
        fs::create_dir_all(&folder).map_err(|error| TrainError::io(&folder, "make the folder", &error))?;
        if self.is_resumed { Ok(()) } else { write_file(&self.path.join(GRAPH), graph) }
    }

    /// Writes checkpoints into this folder, with these settings in each of them. The last `n_kept` stay.
    pub fn checkpoint_writer(&self, settings: serde_json::Value, n_kept: usize) -> CheckpointWriter {
        let open = self.open.as_ref().and_then(|folder| folder.try_clone().ok());
        CheckpointWriter::new(Place { run: self.path.clone(), open }, settings, n_kept)
    }

    /// Takes everything away that a run has written that did nothing; it must have begun here.
    pub fn discard(self) {
        if self.is_ours() && !self.is_resumed {
            remove_begun(&self.path);
            for name in ["history.csv", "run.json"] {
                let _ = fs::remove_file(self.path.join(name));
            }
        }
    }

    /// Makes `<base>/<name>-<n>` with the first number that is free.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn numbered(base: &Path, name: &str) -> Result<RunFolder, TrainError> {
        first_free(base, name, |path| matches!(contents(path), Ok(Contents::Nothing)))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the weights go.
    pub fn weights_path(&self) -> PathBuf {
        self.path.join(WEIGHTS)
    }

    /// Writes `model.safetensors`, of those bytes. If the folder cannot take it, a new folder `<name>-saved-<n>` in the
    /// first of `others` that can becomes the run's, and the error is given beside it.
    ///
    /// # Errors
    /// If no place can take them; the message names each with its reason.
    pub fn save_weights(
        self,
        weights: &[u8],
        name: &str,
        others: &[PathBuf],
    ) -> Result<(RunFolder, Option<TrainError>), TrainError> {
        let Err(first) = self.write_weights(weights) else { return Ok((self, None)) };
        let mut failures = first.to_string();
        for base in others {
            // Nothing that is there already is touched: it may be anybody's.
            let folder = first_free(base, &format!("{name}-saved"), |_| false);
            match folder.and_then(|folder| folder.write_weights(weights).map(|()| folder)) {
                Ok(folder) => return Ok((folder, Some(first))),
                Err(error) => failures.push_str(&format!("\n  {error}")),
            }
        }
        Err(TrainError::Mismatch(format!("the weights are lost: no place takes them\n  {failures}")))
    }

    /// Writes `last.safetensors`, of those bytes: the weights of the last epoch, where `model.safetensors` has those of
    /// another one.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_last(&self, weights: &[u8]) -> Result<(), TrainError> {
        write_file(&self.path.join(LAST), weights)
    }

    /// Writes `receipt.json`, which speaks of the weights: after them.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_receipt(&self, receipt: &Receipt) -> Result<(), TrainError> {
        write_file(&self.path.join(RECEIPT), &receipt.file())
    }

    fn write_weights(&self, bytes: &[u8]) -> Result<(), TrainError> {
        let error = |message: &str| Err(TrainError::file(&self.path, message));
        if !self.is_ours() {
            return error("the run folder is gone");
        }
        // Under a lock this run has written them earlier. Without one, another run may have been as far as this.
        if !self.is_locked && !self.is_resumed && self.weights_path().exists() {
            return error("the run folder holds the weights of another run");
        }
        write_file(&self.weights_path(), bytes)?;
        // The folder itself may be new.
        sync_folder(folder_of(&self.path)).map_err(|error| TrainError::io(&self.path, "sync the run folder", &error))
    }

    /// Writes `history.csv`, `run.json`, and the curves if there is anything to draw.
    ///
    /// # Errors
    /// If a file cannot be written; the others are written all the same.
    pub fn write_record(&self, info: &RunInfo, history: &History) -> Result<(), TrainError> {
        let [(_, csv), (_, json)] = record(info, history);
        let svg = |svg: Option<String>| svg.map(String::into_bytes);
        let best = info.results["best_epoch"].as_u64().map(|epoch| epoch as usize);
        let files = [
            ("history.csv", Some(csv)),
            ("run.json", Some(json)),
            ("loss.svg", svg(plots::loss_svg(&info.name, history, best))),
            ("accuracy.svg", svg(plots::accuracy_svg(&info.name, history, best))),
        ];
        let write = |(file, bytes): (&str, Option<Vec<u8>>)| write_file(&self.path.join(file), &bytes?).err();
        let failures: Vec<TrainError> = files.into_iter().filter_map(write).collect();
        failures.into_iter().next().map_or(Ok(()), Err)
    }

    /// Whether the folder at the path is still the one that was made.
    fn is_ours(&self) -> bool {
        self.open.as_ref().map_or_else(|| self.path.is_dir(), |open| is_at(open, &self.path))
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if self.is_ours() {
            remove_unfinished(&self.path);
            if matches!(contents(&self.path), Ok(Contents::Nothing)) {
                remove_begun(&self.path);
            }
            // Refuses a folder that holds files, which is what is wanted.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// `history.csv` and `run.json`.
pub fn record(info: &RunInfo, history: &History) -> [Companion; 2] {
    let mut csv = Vec::new();
    history.write_csv(&mut csv).expect("writing to memory does not fail");
    let mut json = serde_json::to_vec_pretty(info).expect("the run's facts are plain values");
    json.push(b'\n');
    [("history.csv", csv), ("run.json", json)]
}

/// `<base>/<name>-<n>` with the first number that is not there, or of which `is_free` says that it may be taken over.
fn first_free(base: &Path, name: &str, is_free: impl Fn(&Path) -> bool) -> Result<RunFolder, TrainError> {
    let error = |path: &Path, error| TrainError::io(path, "make the run folder", &error);
    fs::create_dir_all(base).map_err(|e| error(base, e))?;
    let name = file_name(name);
    for n in 1u64.. {
        let path = base.join(format!("{name}-{n}"));
        let is_new = match fs::create_dir(&path) {
            Ok(()) => true,
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(error(&path, e)),
            Err(_) if is_free(&path) => false,
            Err(_) => continue,
        };
        // Of two runs started together, one gets the lock and the other the next number.
        match claim(&path) {
            Ok(Claim::Ours(folder)) => match check_writable(&folder.weights_path()) {
                Ok(()) => return Ok(folder),
                Err(e) if is_new => return Err(e),
                Err(_) => {}
            },
            Err(e) if is_new && e.kind() != ErrorKind::NotFound => return Err(error(&path, e)),
            _ => {}
        }
    }
    unreachable!("the numbers do not run out")
}

/// Locks the folder, if it is free and holds nothing.
fn claim(path: &Path) -> io::Result<Claim> {
    let (open, is_locked) = match lock(path)? {
        Lock::Held => return Ok(Claim::InUse),
        Lock::Ours(folder) => (Some(folder), true),
        Lock::None(folder) => (folder, false),
    };
    match contents(path)? {
        Contents::Nothing => {
            remove_unfinished(path);
            remove_begun(path);
            Ok(Claim::Ours(RunFolder { path: path.to_path_buf(), open, is_locked, is_resumed: false }))
        }
        full => Ok(Claim::Full(full)),
    }
}

fn contents(path: &Path) -> io::Result<Contents> {
    if has_checkpoint(path) {
        return Ok(Contents::Run);
    }
    // A graph file is ours if the folder for checkpoints is there too.
    let has_begun = path.join(FOLDER).is_dir();
    let mut contents = Contents::Nothing;
    for entry in fs::read_dir(path)? {
        match entry?.file_name() {
            name if is_unfinished(&name) || has_begun && (name == FOLDER || name == GRAPH) => {}
            name if name == WEIGHTS => return Ok(Contents::Weights),
            _ => contents = Contents::Other,
        }
    }
    Ok(contents)
}

/// Takes away what a run begins with.
fn remove_begun(path: &Path) {
    if path.join(FOLDER).is_dir() {
        // The folder last: it says that the graph file is a run's.
        let _ = fs::remove_file(path.join(GRAPH));
        let _ = fs::remove_dir_all(path.join(FOLDER));
    }
}

/// The name without what file systems or shells stumble over.
fn file_name(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = name.chars().map(keep).collect();
    match name.trim_start_matches('.') {
        "" => "run".into(),
        name => name.into(),
    }
}

#[cfg(test)]
#[path = "run_folder/tests.rs"]
mod tests;
