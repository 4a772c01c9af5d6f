//! Opening files that somebody else named, and memory for what they announce.

use crate::error::TrainError;
use graphc_driver::Available;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Opens a regular file and gives its length; `action` completes "cannot ...".
///
/// # Errors
/// If there is none. A device or a pipe is not opened: reading it might not come to an end, or not even begin.
pub(crate) fn open_regular(path: &Path, action: &str) -> Result<(File, u64), TrainError> {
    let io_error = |error| TrainError::io(path, action, &error);
    let found = std::fs::metadata(path).map_err(io_error)?;
    if !found.is_file() {
        let what = if found.is_dir() { "a directory" } else { "a device or a pipe" };
        return Err(TrainError::file(path, format!("cannot {action}: it is not a regular file but {what}")));
    }
    let file = File::open(path).map_err(io_error)?;
    let len = file.metadata().map_err(io_error)?.len();
    Ok((file, len))
}

/// The bytes of a regular file; `action` completes "cannot ...".
///
/// # Errors
/// As [`open_regular`] and [`room_for`], or if it cannot be read.
pub(crate) fn read_regular(path: &Path, action: &str) -> Result<Vec<u8>, TrainError> {
    let (file, len) = open_regular(path, action)?;
    let room = room_for(usize::try_from(len).unwrap_or(usize::MAX));
    let mut bytes = room.map_err(|message| TrainError::file(path, message))?;
    let read = file.take(len).read_to_end(&mut bytes);
    read.map_err(|error| TrainError::io(path, action, &error)).map(|_| bytes)
}

/// An empty vector for `len` elements.
///
/// # Errors
/// If there is not as much memory. That is asked first: the system promises more than it has, and ends who uses it.
pub(crate) fn room_for<T>(len: usize) -> Result<Vec<T>, String> {
    let n_bytes = len.saturating_mul(size_of::<T>());
    if n_bytes > SMALL
        && let Some(Available { bytes, limit }) = Available::now().filter(|available| n_bytes as u64 > available.bytes)
    {
        return Err(format!("{limit} room for {bytes}"));
    }
    let mut data = Vec::new();
    match data.try_reserve_exact(len) {
        Ok(()) => Ok(data),
        Err(_) => Err("there is not as much memory".into()),
    }
}

/// As many zeros, which the system makes when they are first written.
///
/// # Errors
/// As [`room_for`].
pub(crate) fn zeros<T: Copy + Default>(len: usize) -> Result<Vec<T>, String> {
    drop(room_for::<T>(len)?);
    Ok(vec![T::default(); len])
}

/// Bytes that are not worth asking for.
const SMALL: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_looked_at_before_it_is_taken() {
        assert!(room_for::<u8>(1000).unwrap().capacity() >= 1000);
        if Available::now().is_some() {
            let message = room_for::<u8>(1 << 50).unwrap_err();
            assert!(message.contains(" has room for "), "{message}");
            assert!(room_for::<f64>(1 << 47).is_err(), "elements have sizes");
        }
        assert!(room_for::<u8>(usize::MAX).is_err());
        assert!(room_for::<f64>(usize::MAX / 2).is_err());
    }
}
