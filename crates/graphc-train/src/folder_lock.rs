//! The lock of a folder that a training writes into.

use crate::files::is_at;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// Whose a folder is.
pub(crate) enum Lock {
    /// It is locked by another process, or by this one.
    Held,
    /// It is locked from now on.
    Ours(File),
    /// Folders cannot be locked here.
    None(Option<File>),
}

/// Locks a folder until the file is dropped or the process ends, however it ends.
pub(crate) fn lock(path: &Path) -> io::Result<Lock> {
    if !cfg!(unix) {
        return Ok(Lock::None(None));
    }
    loop {
        let folder = File::open(path)?;
        match folder.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(Lock::Held),
            Err(TryLockError::Error(_)) => return Ok(Lock::None(Some(folder))),
            // Whoever had the lock before may have removed the folder.
            Ok(()) if is_at(&folder, path) => return Ok(Lock::Ours(folder)),
            Ok(()) => {}
        }
    }
}
