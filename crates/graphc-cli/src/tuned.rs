//! What `graphc tune` found, in files that later commands read.
//!
//! One file per step, named after its key, in `$GRAPHC_CACHE_DIR`, else `$XDG_CACHE_HOME/graphc`, else
//! `~/.cache/graphc`. A file that cannot be used costs time only, so it is ignored with a warning.

use crate::error::CliError;
use crate::{messages, tuning_file};
use graphc_driver::{Choices, Tuning, TuningKey};
use graphc_measure::Tuned;
use graphc_train::{check_writable, write_file};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// `--untuned`, for every command that compiles a step to run it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct TuningArg {
    /// Leave the schedule to the cost model, whatever `graphc tune` has found; results are the same bits.
    #[arg(long)]
    untuned: bool,
}

impl TuningArg {
    /// Stored choices, unless they are to be ignored.
    pub(crate) fn tuning(self) -> Tuning {
        match folder() {
            Some(folder) if !self.untuned => Tuning::lookup(move |key| {
                let warn = |error: String| messages::warning(&error);
                load(&folder, key).map_err(warn).ok().flatten()
            }),
            _ => Tuning::default(),
        }
    }
}

/// Where the files are; unknown without a home.
pub(crate) fn folder() -> Option<PathBuf> {
    let home = std::env::home_dir().map(PathBuf::into_os_string);
    folder_of(std::env::var_os("GRAPHC_CACHE_DIR"), std::env::var_os("XDG_CACHE_HOME"), home)
}

/// Variables that are set to nothing count as unset.
fn folder_of(own: Option<OsString>, shared: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let path = |text: Option<OsString>| text.filter(|text| !text.is_empty()).map(PathBuf::from);
    // The XDG specification wants relative paths ignored.
    let shared = path(shared).filter(|path| path.is_absolute());
    path(own).or(shared.map(|path| path.join("graphc"))).or(path(home).map(|path| path.join(".cache/graphc")))
}

fn path_of(folder: &Path, key: &TuningKey) -> PathBuf {
    folder.join(format!("{}.json", key.id()))
}

/// Writes choices for a later run; gives the file.
pub(crate) fn store(folder: &Path, key: &TuningKey, tuned: &Tuned) -> Result<PathBuf, CliError> {
    let text = tuning_file::print(key, &tuned.choices, [tuned.before_ms.min, tuned.after_ms.min]);
    let path = path_of(folder, key);
    make_folder(folder)?;
    write_file(&path, text.as_bytes())?;
    Ok(path)
}

/// Whether files can be stored, before time is spent on what they will hold.
pub(crate) fn check_folder(folder: &Path) -> Result<(), CliError> {
    make_folder(folder)?;
    Ok(check_writable(&folder.join("any.json"))?)
}

fn make_folder(folder: &Path) -> Result<(), CliError> {
    let error = |error| CliError::new(format!("{}: cannot make the folder: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(error)
}

/// What was stored under a key, if anything was; an error is a file that cannot be used.
fn load(folder: &Path, key: &TuningKey) -> Result<Option<Choices>, String> {
    let path = path_of(folder, key);
    let read = match read_small(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error.to_string()),
        Ok(bytes) => tuning_file::parse(&bytes, key),
    };
    read.map(Some).map_err(|error| format!("ignored {}, which `graphc tune` writes: {error}", path.display()))
}

/// The bytes of a regular file of a size that a file of choices can have.
fn read_small(path: &Path) -> std::io::Result<Vec<u8>> {
    let found = std::fs::metadata(path)?;
    match (found.is_file(), found.len()) {
        (true, 0..=tuning_file::MOST_BYTES) => std::fs::read(path),
        (true, len) => {
            Err(std::io::Error::other(format!("it has {len} bytes, expected at most {}", tuning_file::MOST_BYTES)))
        }
        (false, _) => Err(std::io::Error::other("it is not a regular file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphc_driver::Aspect;
    use graphc_ir::graph::Mode;
    use graphc_measure::Spread;

    fn key(batch: usize) -> TuningKey {
        TuningKey {
            graph: "net".into(),
            mode: Mode::Train,
            batch,
            target: "x86-64".into(),
            version: "1.2.3".into(),
            revision: 4,
            graph_hash: "00ff".into(),
        }
    }

    fn tuned() -> Tuned {
        let mut choices = Choices::default();
        choices.set("conv1.conv2d", Aspect::Grid, 3);
        choices.set("conv1.conv2d", Aspect::Order, 1);
        choices.set("%17", Aspect::Strips, 2);
        let spread = Spread::of(vec![1.5]);
        let (n_tried, n_left, threads) = (9, 0, 1);
        Tuned { key: key(64), choices, kernels: vec![], before_ms: spread, after_ms: spread, n_tried, n_left, threads }
    }

    #[test]
    fn what_is_stored_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let nested = folder.path().join("a/b");
        assert_eq!(load(&nested, &key(64)), Ok(None));
        let path = store(&nested, &key(64), &tuned()).unwrap();
        assert_eq!(load(&nested, &key(64)), Ok(Some(tuned().choices)));
        assert_eq!(load(&nested, &key(65)), Ok(None));
        // Nothing else is left behind, and writing again replaces the file.
        store(&nested, &key(64), &Tuned { choices: Choices::default(), ..tuned() }).unwrap();
        assert_eq!(load(&nested, &key(64)), Ok(Some(Choices::default())));
        let files: Vec<_> = std::fs::read_dir(&nested).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files, [path]);
    }

    #[test]
    fn files_that_cannot_be_used_are_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path(), &key(64), &tuned()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let no_choice = "choices[1] is none: expected `contraction`, `what` and `option`";
        let broken = [
            ("", "no JSON from line 1, column 0 on"),
            ("root:x:0:0:", "no JSON from line 1, column 1 on"),
            (&text[..text.len() / 2], "no JSON from line 15, column 13 on"),
            ("[1, 2]", "its `key` is another one"),
            (&text.replace("00ff", "00fe"), "its `key` is another one"),
            (&text.replace("\"choices\"", "\"picks\""), "it has no `choices`"),
            (&text.replace("\"grid\"", "\"colour\""), no_choice),
            (&text.replace("\"option\": 3", "\"option\": -3"), no_choice),
            (&" ".repeat(4_194_305), "it has 4194305 bytes, expected at most 4194304"),
        ];
        let ignored = |error: &str| Err(format!("ignored {}, which `graphc tune` writes: {error}", path.display()));
        for (content, expected) in broken {
            std::fs::write(&path, content).unwrap();
            assert_eq!(load(folder.path(), &key(64)), ignored(expected));
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(load(folder.path(), &key(64)), ignored("it is not a regular file"));
    }

    #[test]
    fn folders() {
        let folder = |own: &str, shared: &str, home: &str| {
            let [own, shared, home] = [own, shared, home].map(|text| Some(OsString::from(text)));
            folder_of(own, shared, home).map(|path| path.to_string_lossy().into_owned())
        };
        assert_eq!(folder("own", "/shared", "/me").as_deref(), Some("own"));
        assert_eq!(folder("", "/shared", "/me").as_deref(), Some("/shared/graphc"));
        assert_eq!(folder("", "relative", "/me").as_deref(), Some("/me/.cache/graphc"));
        assert_eq!(folder("", "", ""), None);
        assert_eq!(folder_of(None, None, None), None);
    }
}
