//! Bytes of a file by position: threads read from one file without sharing a place in it.

use crate::error::TrainError;
use crate::reading::open_regular;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// What is done to data files; completes "cannot ...".
pub(super) const ACTION: &str = "read the data file";

/// A file, or bytes in memory that stand for one.
pub(super) struct FileBytes {
    content: Content,
    /// Its length when it was opened; what comes behind is not read.
    pub(super) len: u64,
}

enum Content {
    File(Shared),
    Memory(Vec<u8>),
}

#[cfg(unix)]
type Shared = File;

/// Elsewhere a file has one place, and who reads moves it.
#[cfg(not(unix))]
type Shared = std::sync::Mutex<File>;

impl FileBytes {
    /// # Errors
    /// If there is no regular file at `path`.
    pub(super) fn open(path: &Path) -> Result<FileBytes, TrainError> {
        let (file, len) = open_regular(path, ACTION)?;
        #[cfg(not(unix))]
        let file = std::sync::Mutex::new(file);
        Ok(FileBytes { content: Content::File(file), len })
    }

    pub(super) fn of_memory(bytes: Vec<u8>) -> FileBytes {
        FileBytes { len: bytes.len() as u64, content: Content::Memory(bytes) }
    }

    /// Reads some bytes from position `at` on, none if there are none.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let len = buffer.len().min(left);
        match &self.content {
            _ if len == 0 => Ok(0),
            Content::File(file) => read_file_at(file, &mut buffer[..len], at),
            Content::Memory(bytes) => (&bytes[at as usize..]).read(&mut buffer[..len]),
        }
    }
}

impl rawzip::ReaderAt for &FileBytes {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        FileBytes::read_at(self, buffer, at)
    }
}

#[cfg(unix)]
fn read_file_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(not(unix))]
fn read_file_at(file: &Shared, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    use std::io::{Seek, SeekFrom};
    let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    file.seek(SeekFrom::Start(at))?;
    file.read(buffer)
}

/// A part of a file, read from its beginning to its end.
pub(super) struct Section {
    bytes: Arc<FileBytes>,
    position: u64,
    end: u64,
}

impl Section {
    /// `len` bytes from position `start` on, as far as the file has them.
    pub(super) fn new(bytes: Arc<FileBytes>, start: u64, len: u64) -> Section {
        let end = start.saturating_add(len).min(bytes.len);
        Section { bytes, position: start, end }
    }

    /// The whole file.
    pub(super) fn whole(bytes: Arc<FileBytes>) -> Section {
        let len = bytes.len;
        Section::new(bytes, 0, len)
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let len = buffer.len().min(left);
        let n = self.bytes.read_at(&mut buffer[..len], self.position)?;
        self.position += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_end_where_they_are_told_or_the_file_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, b"0123456789").unwrap();
        for bytes in [FileBytes::open(&path).unwrap(), FileBytes::of_memory(b"0123456789".to_vec())] {
            let bytes = Arc::new(bytes);
            let read = |mut section: Section| io::read_to_string(&mut section).unwrap();
            assert_eq!(read(Section::new(bytes.clone(), 2, 3)), "234");
            assert_eq!(read(Section::new(bytes.clone(), 8, u64::MAX)), "89");
            assert_eq!(read(Section::new(bytes.clone(), 11, 4)), "");
            assert_eq!(read(Section::new(bytes.clone(), u64::MAX, 4)), "");
            assert_eq!(read(Section::whole(bytes)), "0123456789");
        }
    }
}
