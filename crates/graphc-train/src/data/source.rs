//! Where samples come from.

use super::array::{ArrayFile, ArrayFormat};
use super::cifar::CifarKind;
use super::rows::Rows;
use super::synthetic::Synthetic;
use super::table::Table;
use super::text::Text;
use super::values::Values;
use crate::error::TrainError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What gives the inputs of all samples of a part of the data.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// An array of every input, each in a file.
    Arrays(Vec<(String, ArraySource)>),
    /// Columns of a table.
    Table(Table),
    /// A folder of pictures, with a sub-folder for each class.
    Images(PathBuf),
    /// Files in the binary format of CIFAR, one behind the other.
    Cifar(Vec<PathBuf>, CifarKind),
    /// Files of text, of which samples are windows.
    Text(Text),
    /// They are made up.
    Synthetic(Synthetic),
    /// Arrays of whole samples in memory, of every input.
    Memory(Arc<Vec<(String, Values)>>),
    /// A function gives the rows of samples.
    Rows(Rows),
}

/// An array in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArraySource {
    /// The file.
    pub path: PathBuf,
    /// Which array, in files that may hold several.
    pub key: Option<String>,
    /// What the file is; told by its name if not here.
    pub format: Option<ArrayFormat>,
}

impl Source {
    /// Number of samples, if that stands at the head of the files.
    pub fn announced_samples(&self) -> Option<usize> {
        match self {
            Source::Arrays(arrays) => arrays.first().and_then(|(_, array)| Some(array.open().ok()?.n_samples())),
            Source::Synthetic(synthetic) => Some(synthetic.n_samples),
            Source::Rows(rows) => Some(rows.n_samples),
            Source::Table(_) | Source::Images(_) | Source::Cifar(..) | Source::Text(_) | Source::Memory(_) => None,
        }
    }

    /// Files and folders that the samples come from, each once.
    pub fn paths(&self) -> Vec<&Path> {
        let all: Vec<&Path> = match self {
            Source::Arrays(arrays) => arrays.iter().map(|(_, array)| array.path.as_path()).collect(),
            Source::Table(table) => vec![&table.path],
            Source::Images(folder) => vec![folder],
            Source::Cifar(files, _) | Source::Text(Text { files, .. }) => files.iter().map(PathBuf::as_path).collect(),
            Source::Synthetic(_) | Source::Memory(_) | Source::Rows(_) => Vec::new(),
        };
        let is_first = |&(at, path): &(usize, &Path)| !all[..at].contains(&path);
        all.iter().copied().enumerate().filter(is_first).map(|(_, path)| path).collect()
    }

    /// Whether samples to validate on are drawn. Of files that hold samples in no particular order the last ones are
    /// taken, as Keras does; a table or a folder may be sorted by class.
    pub(crate) fn is_sorted_maybe(&self) -> bool {
        match self {
            Source::Arrays(_) | Source::Table(_) | Source::Images(_) | Source::Memory(_) | Source::Rows(_) => true,
            Source::Cifar(..) | Source::Text(_) | Source::Synthetic(_) => false,
        }
    }
}

impl ArraySource {
    /// A file whose name tells its format.
    pub fn new(path: impl Into<PathBuf>) -> ArraySource {
        ArraySource { path: path.into(), key: None, format: None }
    }

    /// Reads the header.
    pub(crate) fn open(&self) -> Result<ArrayFile, TrainError> {
        ArrayFile::open(&self.path, self.key.as_deref(), self.format)
    }
}

/// What errors about a column are about.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    File(PathBuf),
    Synthetic,
    /// The program.
    Given,
}

impl Origin {
    pub(crate) fn file(path: &Path) -> Origin {
        Origin::File(path.to_path_buf())
    }

    pub(crate) fn error(&self, message: impl fmt::Display) -> TrainError {
        match self {
            Origin::File(path) => TrainError::file(path, message.to_string()),
            Origin::Synthetic | Origin::Given => TrainError::Mismatch(format!("{self}: {message}")),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Synthetic => f.write_str("synthetic data"),
            Origin::Given => f.write_str("the data given"),
        }
    }
}
