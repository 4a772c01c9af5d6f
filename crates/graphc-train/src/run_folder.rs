//! The folder of a run: history, curves, weights, and what produced them.
//!
//! Every file is written under a temporary name and renamed, so a reader never sees half a file.

use crate::error::TrainError;
use crate::history::History;
use crate::plots;
use crate::weights::{NamedTensor, write_tensors};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A folder reserved for one run. Dropped while still empty, it is removed.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
}

/// What `run.json` says.
#[derive(Clone, Debug, Serialize)]
pub struct RunInfo {
    /// Name of the network.
    pub name: String,
    /// The graph file and the training options in force.
    pub config: serde_json::Value,
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

impl RunFolder {
    /// Makes `path`, which must not exist or be empty.
    ///
    /// # Errors
    /// If there is something already, or the folder cannot be made.
    pub fn create(path: &Path) -> Result<RunFolder, TrainError> {
        let error = |error| TrainError::io(path, "make the run folder", &error);
        std::fs::create_dir_all(path).map_err(error)?;
        if std::fs::read_dir(path).map_err(error)?.next().is_some() {
            return Err(TrainError::file(path, "the run folder exists and is not empty; give another one"));
        }
        Ok(RunFolder { path: path.to_path_buf() })
    }

    /// Makes `<base>/<name>-<n>` with the first number that is free.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn numbered(base: &Path, name: &str) -> Result<RunFolder, TrainError> {
        let error = |path: &Path, error| TrainError::io(path, "make the run folder", &error);
        std::fs::create_dir_all(base).map_err(|e| error(base, e))?;
        let name = file_name(name);
        for n in 1u64.. {
            let path = base.join(format!("{name}-{n}"));
            // `create_dir` fails if it exists, so two runs started together get two folders.
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(RunFolder { path }),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(error(&path, e)),
            }
        }
        unreachable!("the numbers do not run out")
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the weights go.
    pub fn weights_path(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    /// Writes `model.safetensors`, `history.csv`, `run.json`, and the curves if there is anything to draw.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, info: &RunInfo, history: &History, weights: &[NamedTensor]) -> Result<(), TrainError> {
        // The weights first: they are what must not be lost.
        write_tensors(&self.weights_path(), weights)?;
        let mut csv = Vec::new();
        history.write_csv(&mut csv).expect("writing to memory does not fail");
        write_atomically(&self.path.join("history.csv"), &csv)?;
        for (file, svg) in [
            ("loss.svg", plots::loss_svg(&info.name, history)),
            ("accuracy.svg", plots::accuracy_svg(&info.name, history)),
        ] {
            if let Some(svg) = svg {
                write_atomically(&self.path.join(file), svg.as_bytes())?;
            }
        }
        let mut json = serde_json::to_vec_pretty(info).expect("the run's facts are plain values");
        json.push(b'\n');
        write_atomically(&self.path.join("run.json"), &json)
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // Refuses a folder that holds files, which is what is wanted.
        let _ = std::fs::remove_dir(&self.path);
    }
}

/// Writes to a temporary file in the same folder and renames it.
///
/// # Errors
/// If the file cannot be written.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let error = |error: &std::io::Error| TrainError::io(path, "write", error);
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(".graphc-");
    #[cfg(unix)]
    let builder = {
        use std::os::unix::fs::PermissionsExt;
        // Temporary files are private by default; results are ordinary files (the umask still applies).
        builder.permissions(std::fs::Permissions::from_mode(0o666))
    };
    let mut file = builder.tempfile_in(folder).map_err(|e| error(&e))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(|e| error(&e))?;
    file.persist(path).map_err(|e| error(&e.error))?;
    Ok(())
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
mod tests {
    use super::*;
    use crate::history::tests::history;
    use crate::weights::TensorData;

    fn info() -> RunInfo {
        RunInfo {
            name: "net".into(),
            config: serde_json::json!({ "epochs": 2 }),
            seed: 7,
            versions: BTreeMap::from([("graphc".into(), "0.1.0".into())]),
            isa: "x86-64".into(),
            timings: serde_json::json!({ "compile_ms": 1.5 }),
            results: serde_json::json!({ "test_loss": null }),
        }
    }

    fn files(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn writes_everything_and_leaves_no_temporary_file() {
        let base = tempfile::tempdir().unwrap();
        let folder = RunFolder::numbered(base.path(), "net").unwrap();
        let weights = [NamedTensor { name: "w".into(), shape: vec![1], data: TensorData::F32(vec![2.0]) }];
        folder.write(&info(), &history(&[0.5, 0.25]), &weights).unwrap();
        assert_eq!(files(folder.path()), ["accuracy.svg", "history.csv", "loss.svg", "model.safetensors", "run.json"]);
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("run.json")).unwrap()).unwrap();
        assert_eq!(json["seed"], 7);
        assert_eq!(json["config"]["epochs"], 2);
        // Written again (a second save of the same run) it is replaced.
        folder.write(&info(), &history(&[0.5]), &weights).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("history.csv")).unwrap().lines().count(), 2);
        let path = folder.path().to_path_buf();
        drop(folder);
        assert!(path.exists(), "a folder with files stays");
    }

    #[test]
    fn no_finished_epoch_has_no_curves() {
        let base = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(&base.path().join("a/b")).unwrap();
        folder.write(&info(), &History::default(), &[]).unwrap();
        assert_eq!(files(folder.path()), ["history.csv", "model.safetensors", "run.json"]);
    }

    #[test]
    fn numbers_go_on() {
        let base = tempfile::tempdir().unwrap();
        let first = RunFolder::numbered(base.path(), "my net/1").unwrap();
        let second = RunFolder::numbered(base.path(), "my net/1").unwrap();
        assert_eq!(first.path(), base.path().join("my_net_1-1"));
        assert_eq!(second.path(), base.path().join("my_net_1-2"));
        drop((first, second));
        assert!(files(base.path()).is_empty(), "empty folders are removed");
        assert_eq!(file_name("../.."), "_..");
        assert_eq!(file_name(".."), "run");
    }

    #[test]
    fn an_existing_folder_is_not_overwritten() {
        let base = tempfile::tempdir().unwrap();
        std::fs::write(base.path().join("x"), "").unwrap();
        let error = RunFolder::create(base.path()).unwrap_err().to_string();
        assert!(error.ends_with(": the run folder exists and is not empty; give another one"), "{error}");
        let error = RunFolder::create(&base.path().join("x")).unwrap_err().to_string();
        assert!(error.contains("cannot make the run folder"), "{error}");
    }
}
