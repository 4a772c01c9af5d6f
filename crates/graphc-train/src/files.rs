//! Writing a file so that nothing is lost: the one place where graphc writes to a path.
//!
//! - A regular file is replaced as a whole: the bytes go to a temporary file in the same folder, which takes its name
//!   once they are on the disk. Whoever reads meanwhile, or a crash, finds the old file or the new one, never a part of
//!   one.
//! - Permissions of a replaced file stay, and its owner where the system allows that. A new file has those of the
//!   umask. A file that may not be written is not replaced either. Another hard link to it keeps the old bytes.
//! - A symbolic link stays: what it leads to is replaced.
//! - Anything else (a device, a pipe, a socket, `/dev/stdout`) is written through and stays what it is.
//!
//! A temporary file is locked while it is written. One that nobody has locked was left by a program that was killed,
//! and whoever writes to the folder next removes it.

use crate::error::TrainError;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// How names of temporary files begin.
const PREFIX: &str = ".graphc-";
/// Where following links ends, as in Linux.
const MOST_LINKS: usize = 40;
/// How often a temporary file is made anew because it was taken away.
const MOST_TRIES: usize = 100;
/// Bytes written between two points where a test can make a write fail.
const BLOCK: usize = if cfg!(test) { 16 } else { 1 << 20 };

/// What a path leads to.
enum Target {
    /// A regular file, or one to be made, at this path, which is no link.
    File { path: PathBuf, replaced: Option<Metadata> },
    /// Something that is written through.
    Stream,
}

/// Writes the bytes to a file, as the head of this module says.
///
/// # Errors
/// If the file cannot be written; it is as it was then, except for what is written through.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    match target(path).map_err(|error| TrainError::io(path, "write", &error))? {
        Target::File { path: file, replaced } => replace(path, &file, replaced.as_ref(), bytes),
        Target::Stream => write_through(path, bytes).map_err(|error| TrainError::io(path, "write", &error)),
    }
}

/// Finds out whether [`write_file`] can make a file there, before hours are spent on what it will hold.
///
/// # Errors
/// If a temporary file cannot be made in the folder, or the file must not be written. What is written through is not
/// tried.
pub fn check_writable(path: &Path) -> Result<(), TrainError> {
    match target(path).map_err(|error| TrainError::io(path, "write", &error))? {
        Target::File { path: file, replaced } => temporary_file(path, &file, replaced.as_ref()).map(drop),
        Target::Stream => Ok(()),
    }
}

/// Removes temporary files that nobody writes any more. What cannot be removed stays: it is in nobody's way.
pub(crate) fn remove_unfinished(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let is_file = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    for entry in entries.flatten().filter(|entry| is_unfinished(&entry.file_name()) && is_file(entry)) {
        let path = entry.path();
        let Ok(file) = File::open(&path) else { continue };
        // The lock is held until the name is gone: who has just made the file sees one or the other.
        if file.try_lock().is_ok() {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Whether a file of this name is a temporary one.
pub(crate) fn is_unfinished(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
}

/// Makes the names in a folder last, as syncing a file does with its bytes. Where a folder cannot be opened or synced
/// there is nothing to be done.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    use ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| sync(&folder)) {
        Err(error) if ![InvalidInput, PermissionDenied, Unsupported].contains(&error.kind()) => Err(error),
        _ => Ok(()),
    }
}

/// Puts what was written on the disk. Tests of this crate look at names and bytes only, thousands of times.
fn sync(file: &File) -> io::Result<()> {
    if cfg!(test) { Ok(()) } else { file.sync_all() }
}

/// The folder that a path names something in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Follows links to their end. A link's target is taken from the link's folder, as the system does.
fn target(path: &Path) -> io::Result<Target> {
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound && names_a_file(&path) => {
                return Ok(Target::File { path, replaced: None });
            }
            Err(error) => return Err(error),
        };
        match found.file_type() {
            kind if kind.is_symlink() && is_descriptor(&path) => return Ok(Target::Stream),
            kind if kind.is_symlink() => path = folder_of(&path).join(fs::read_link(&path)?),
            kind if kind.is_dir() => return Err(ErrorKind::IsADirectory.into()),
            kind if kind.is_file() => return Ok(Target::File { path, replaced: Some(found) }),
            _ => return Ok(Target::Stream),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn names_a_file(path: &Path) -> bool {
    path.file_name().is_some() && !path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// Whether a link stands for something that a process has open (`/dev/stdout` leads to `/proc/self/fd/1`): that is not
/// a name under which another file could be put.
fn is_descriptor(link: &Path) -> bool {
    fs::canonicalize(folder_of(link)).is_ok_and(|folder| folder.starts_with("/proc"))
}

fn replace(named: &Path, path: &Path, replaced: Option<&Metadata>, bytes: &[u8]) -> Result<(), TrainError> {
    let error = |error: io::Error| TrainError::io(named, "write", &error);
    let mut file = temporary_file(named, path, replaced)?;
    write_whole(&mut file, replaced, bytes).map_err(error)?;
    file.persist(path).map_err(|failed| error(failed.error))?;
    let synced = step().and_then(|()| sync_folder(folder_of(path)));
    synced.map_err(|error| TrainError::io(named, "sync the folder after writing", &error))
}

/// A file of a name that nobody has, locked, beside the one it will replace.
fn temporary_file(named: &Path, path: &Path, replaced: Option<&Metadata>) -> Result<NamedTempFile, TrainError> {
    if replaced.is_some() {
        // Renaming asks for the folder's permission alone; who protects a file does not want it replaced.
        OpenOptions::new().write(true).open(path).map_err(|error| TrainError::io(named, "write", &error))?;
    }
    let folder = folder_of(path);
    remove_unfinished(folder);
    let make = || {
        for _ in 0..MOST_TRIES {
            step()?;
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            {
                use std::os::unix::fs::OpenOptionsExt;
                // Nobody else reads what is to be private in the end. A new file is an ordinary one; the umask still
                // applies.
                options.mode(if replaced.is_some() { 0o600 } else { 0o666 });
            }
            let mut builder = tempfile::Builder::new();
            let file = builder.prefix(PREFIX).suffix(".tmp").make_in(folder, |path| options.open(path))?;
            step()?;
            // Another process may have taken the file for one that was left: it has the lock and removes the file, or
            // has done so. Not every file system has locks, though.
            let is_taken = matches!(file.as_file().try_lock(), Err(TryLockError::WouldBlock));
            if !is_taken && is_at(file.as_file(), file.path()) {
                return Ok(file);
            }
        }
        Err(io::Error::other("other programs remove it"))
    };
    make().map_err(|error: io::Error| {
        TrainError::file(named, format!("cannot write into the folder {}: {error}", folder.display()))
    })
}

/// Whether `path` is that of an open file or folder: it may have been removed, or replaced by another.
pub(crate) fn is_at(open: &File, path: &Path) -> bool {
    let (Ok(open), Ok(found)) = (open.metadata(), fs::metadata(path)) else { return false };
    #[cfg(unix)]
    return {
        use std::os::unix::fs::MetadataExt;
        (open.dev(), open.ino()) == (found.dev(), found.ino())
    };
    #[cfg(not(unix))]
    return open.file_type() == found.file_type();
}

fn write_whole(file: &mut NamedTempFile, replaced: Option<&Metadata>, bytes: &[u8]) -> io::Result<()> {
    for block in bytes.chunks(BLOCK) {
        step()?;
        file.as_file_mut().write_all(block)?;
    }
    step()?;
    if let Some(replaced) = replaced {
        take_permissions(file.as_file(), replaced)?;
    }
    step()?;
    sync(file.as_file())?;
    step()
}

/// Owner, group and mode of the file that is replaced. Only an administrator can give a file to someone else.
fn take_permissions(file: &File, replaced: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (replaced.uid(), replaced.gid()) {
            let _ = fchown(file, Some(replaced.uid()), Some(replaced.gid()))
                .or_else(|_| fchown(file, None, Some(replaced.gid())));
        }
    }
    // After the owner, whose change takes some of them away.
    file.set_permissions(replaced.permissions())
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A descriptor may lead to a regular file, whose bytes before ours belong to whoever opened it.
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.write_all(bytes)?;
    match sync(&file) {
        // Pipes and terminals have nothing to sync.
        Err(error) if ![ErrorKind::InvalidInput, ErrorKind::Unsupported].contains(&error.kind()) => Err(error),
        _ => Ok(()),
    }
}

/// Between any two changes of the file system: where tests make writing fail, or the process end.
fn step() -> io::Result<()> {
    #[cfg(test)]
    tests::faults::reach()?;
    Ok(())
}

#[cfg(test)]
#[path = "files/tests.rs"]
pub(crate) mod tests;
