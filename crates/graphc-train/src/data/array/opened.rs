//! Arrays that were found in a file, and which of them is meant.

use super::file_bytes::FileBytes;
use super::header::Header;
use crate::error::escaped;
use std::io::Read;
use std::sync::Arc;

/// What the reader of a format found.
pub(super) struct Opened {
    pub(super) header: Header,
    /// Gives the elements, and an error behind the last if the file is corrupt.
    pub(super) reader: Box<dyn Read + Send>,
    /// Where they stand, if the file has them as they are.
    pub(super) stored: Option<Stored>,
}

/// Elements that are not compressed.
pub(super) struct Stored {
    pub(super) bytes: Arc<FileBytes>,
    pub(super) at: u64,
}

/// The number of the array called `key`, or of the only one without a key. `noun` is what the format calls its arrays.
pub(super) fn select(names: &[String], key: Option<&str>, noun: &str) -> Result<usize, String> {
    match (key, names) {
        (_, []) => Err(format!("it holds no {noun}s")),
        (None, [_]) => Ok(0),
        (None, _) => Err(format!("it holds {} {noun}s: name one behind a #: {}", names.len(), list(names))),
        (Some(key), _) => {
            let found = names.iter().position(|name| name == key);
            found.ok_or_else(|| format!("it holds no {noun} `{}`; there is {}", escaped(key), list(names)))
        }
    }
}

/// Some of the names, for a message.
pub(super) fn list(names: &[String]) -> String {
    const MOST_NAMES: usize = 20;
    let quoted: Vec<String> = names.iter().take(MOST_NAMES).map(|name| format!("`{}`", escaped(name))).collect();
    match names.len().saturating_sub(MOST_NAMES) {
        0 => quoted.join(", "),
        n_more => format!("{} and {n_more} more", quoted.join(", ")),
    }
}
