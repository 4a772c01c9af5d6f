//! Files of one array per column: IDX, NPY, NPZ and safetensors.
//!
//! A file is untrusted. [`ArrayFile::open`] reads its header alone, and compares what it announces with the length of
//! the file, so that a caller can refuse what does not fit before anything else is read or inflated. No more is
//! inflated than announced and one byte, and no memory is taken for more than a file of this length can hold. A file
//! that is something else is not quoted: whoever names the paths need not be the one who may read them.
//!
//! Reading order: [`fault`], [`file_bytes`] (bytes by position), [`header`] (what a file announces), [`opened`] (what
//! was found), one file for each format, [`fortran`] (elements whose first index runs fastest).

mod fault;
mod file_bytes;
mod fortran;
mod header;
pub(crate) mod idx;
mod npy;
mod npz;
mod opened;
#[cfg(test)]
mod round_trip;
mod safetensors;

use crate::data::values::{Element, Unfit, Values};
use crate::error::TrainError;
use fault::{Fault, fill};
use file_bytes::{FileBytes, Section};
use fortran::Scatter;
use header::Header;
use opened::{Opened, Stored};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Formats of files that hold arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayFormat {
    /// The format of MNIST.
    Idx,
    /// One array of NumPy.
    Npy,
    /// Arrays of NumPy by name, in a zip archive.
    Npz,
    /// Tensors by name.
    Safetensors,
}

impl ArrayFormat {
    /// The format of a file of that name; other names than those of the list are IDX files, as MNIST's have none.
    pub(crate) fn of_name(path: &Path) -> ArrayFormat {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "npy" => ArrayFormat::Npy,
            "npz" => ArrayFormat::Npz,
            "safetensors" => ArrayFormat::Safetensors,
            _ => ArrayFormat::Idx,
        }
    }

    /// Its name in messages, with an article.
    fn name(self) -> &'static str {
        match self {
            ArrayFormat::Idx => "an IDX file",
            ArrayFormat::Npy => "an NPY file",
            ArrayFormat::Npz => "an NPZ file",
            ArrayFormat::Safetensors => "a safetensors file",
        }
    }
}

/// An array whose header has been read.
pub(crate) struct ArrayFile {
    place: Place,
    format: ArrayFormat,
    opened: Opened,
}

/// What errors are about.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    /// The array in the file, where there may be several.
    item: Option<String>,
}

impl ArrayFile {
    /// Reads the header of one array. `key` tells which one in files that may hold several; without a `format`, the
    /// name of the file tells it.
    ///
    /// # Errors
    /// If the file cannot be read, its header is none or announces more or less than the file holds, or it has no such
    /// array.
    pub(crate) fn open(path: &Path, key: Option<&str>, format: Option<ArrayFormat>) -> Result<ArrayFile, TrainError> {
        ArrayFile::new(path, FileBytes::open(path)?, key, format)
    }

    /// Of bytes that stand, or would stand, at `path`.
    fn new(
        path: &Path,
        bytes: FileBytes,
        key: Option<&str>,
        format: Option<ArrayFormat>,
    ) -> Result<ArrayFile, TrainError> {
        let format = format.unwrap_or_else(|| ArrayFormat::of_name(path));
        let mut place = Place { path: path.to_path_buf(), item: None };
        if let (ArrayFormat::Idx | ArrayFormat::Npy, Some(_)) = (format, key) {
            return Err(place.error(format!("{} holds one array: leave out what follows the #", format.name())));
        }
        let bytes = Arc::new(bytes);
        let opened = match format {
            ArrayFormat::Idx => idx::open(bytes),
            ArrayFormat::Npy => npy::open(bytes),
            ArrayFormat::Npz => npz::open(bytes, key, &mut place.item),
            ArrayFormat::Safetensors => safetensors::open(bytes, key, &mut place.item),
        };
        let opened = opened.map_err(|fault| place.fault(fault))?;
        Ok(ArrayFile { place, format, opened })
    }

    /// Number of samples.
    pub(crate) fn n_samples(&self) -> usize {
        self.opened.header.shape[0]
    }

    /// Sizes of one sample.
    pub(crate) fn sample_shape(&self) -> &[usize] {
        &self.opened.header.shape[1..]
    }

    /// The type of the elements in the file.
    pub(crate) fn element(&self) -> Element {
        self.opened.header.encoding.element
    }

    /// The format of the file.
    pub(crate) fn format(&self) -> ArrayFormat {
        self.format
    }

    /// Reads the first `limit` samples (all without a limit).
    ///
    /// # Errors
    /// If there is no memory for them, the file is corrupt, shorter or longer, or [`Values`] cannot hold an element.
    /// With a limit, the end of a compressed file is not looked at.
    pub(crate) fn read(self, limit: Option<usize>) -> Result<Values, TrainError> {
        let ArrayFile { place, opened, .. } = self;
        opened.read(limit).map_err(|fault| place.fault(fault))
    }

    /// Whether [`by_position`](ArrayFile::by_position) is possible.
    pub(crate) fn is_positional(&self) -> bool {
        self.opened.stored.is_some() && !self.opened.header.is_fortran
    }

    /// For reading samples one by one, of data larger than memory.
    ///
    /// # Errors
    /// If the elements are compressed, or one sample does not follow the other.
    pub(crate) fn by_position(self) -> Result<Positioned, TrainError> {
        let ArrayFile { place, opened: Opened { header, stored, .. }, .. } = self;
        match stored {
            Some(_) if header.is_fortran => Err(place.error(
                "its elements are in Fortran order, of which single samples cannot be read; \
                 numpy.ascontiguousarray makes an array that can",
            )),
            Some(stored) => Ok(Positioned { place, header, stored }),
            None => Err(place.error("it is compressed, so single samples cannot be read; decompress it first")),
        }
    }
}

impl Opened {
    /// As [`ArrayFile::read`].
    fn read(mut self, limit: Option<usize>) -> Result<Values, Fault> {
        let header = &self.header;
        let n_in_file = header.shape[0];
        let n = n_in_file.min(limit.unwrap_or(n_in_file));
        let len = n * header.sample_len;
        let no_memory = |message| format!("{}, but {message}", header.announced());
        let element = header.encoding.element;
        let mut values = Values::room_for(element, len).map_err(no_memory)?;
        if header.is_fortran {
            let mut scatter = Scatter::new(&header.shape, n, values);
            read_elements(&mut *self.reader, header, header.len(), |bytes| scatter.push(header.encoding, bytes))?;
            values = scatter.finish();
        } else {
            read_elements(&mut *self.reader, header, len, |bytes| values.push(header.encoding, bytes))?;
        }
        if n == n_in_file || header.is_fortran {
            expect_end(&mut *self.reader, header)?;
        }
        Ok(values)
    }
}

/// Samples that are read one by one.
pub(crate) struct Positioned {
    place: Place,
    header: Header,
    stored: Stored,
}

impl fmt::Debug for Positioned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Positioned").field("path", &self.path()).finish_non_exhaustive()
    }
}

impl Positioned {
    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.place.path
    }

    /// Number of samples.
    pub(crate) fn n_samples(&self) -> usize {
        self.header.shape[0]
    }

    /// The type of the elements in the file.
    pub(crate) fn element(&self) -> Element {
        self.header.encoding.element
    }

    /// Reads `n` samples from number `first` on.
    ///
    /// # Errors
    /// If the file has become shorter, there is no memory for them, or [`Values`] cannot hold an element.
    ///
    /// # Panics
    /// If there are not as many.
    pub(crate) fn read(&self, first: usize, n: usize) -> Result<Values, TrainError> {
        let end = first.checked_add(n).filter(|&end| end <= self.n_samples());
        assert!(end.is_some(), "samples {first} and {n} more of {}", self.n_samples());
        let len = n * self.header.sample_len;
        let sample_bytes = self.header.sample_bytes() as u64;
        let at = self.stored.at + first as u64 * sample_bytes;
        let mut section = Section::new(self.stored.bytes.clone(), at, n as u64 * sample_bytes);
        // What does not fit is told with the number of its sample in the file.
        let header = Header { first_sample: first, ..self.header.clone() };
        let mut values = Values::room_for(self.element(), len).map_err(|message| self.place.error(message))?;
        let read = read_elements(&mut section, &header, len, |bytes| values.push(header.encoding, bytes));
        read.map_err(|fault| self.place.fault(fault)).map(|()| values)
    }
}

/// Bytes that are read and converted at once: a multiple of every element's.
const CHUNK_BYTES: usize = 1 << 16;

/// Gives the bytes of the next `n` elements to `push`, in pieces of whole elements.
fn read_elements(
    reader: &mut dyn Read,
    header: &Header,
    n: usize,
    mut push: impl FnMut(&[u8]) -> Result<(), Unfit>,
) -> Result<(), Fault> {
    let size = header.encoding.element.size();
    let mut chunk = vec![0; CHUNK_BYTES.min(n * size)];
    let mut done = 0;
    while done < n * size {
        let len = chunk.len().min(n * size - done);
        let found = fill(reader, &mut chunk[..len])?;
        if found < len {
            let (total, found) = (header.n_bytes(), header.first_sample * header.sample_bytes() + done + found);
            return Err(Fault::Message(format!(
                "truncated: expected {total} bytes after the header, the file ends after {found}"
            )));
        }
        push(&chunk[..len])
            .map_err(|unfit| format!("an element of sample {} {unfit}", header.sample_of(done / size + unfit.index)))?;
        done += len;
    }
    Ok(())
}

/// Also makes a decoder check what stands at the end.
fn expect_end(reader: &mut dyn Read, header: &Header) -> Result<(), Fault> {
    match fill(reader, &mut [0])? {
        0 => Ok(()),
        _ => Err(Fault::Message(format!("too long: {}, but more follow it", header.announced()))),
    }
}

impl Place {
    fn error(&self, message: impl AsRef<str>) -> TrainError {
        let message = message.as_ref();
        match &self.item {
            Some(item) => TrainError::file(&self.path, format!("{item}: {message}")),
            None => TrainError::file(&self.path, message),
        }
    }

    fn fault(&self, fault: Fault) -> TrainError {
        match fault {
            Fault::Io(error) => TrainError::io(&self.path, file_bytes::ACTION, &error),
            Fault::Message(message) => self.error(message),
        }
    }
}

/// An array in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Samples in the file, whether read or not.
    pub n_in_file: usize,
    /// Sizes of one sample.
    pub sample_shape: Vec<usize>,
    /// Elements that were read.
    pub values: Values,
}

/// Reads the first `limit` samples (all without a limit) of bytes that stand, or would stand, at `path`. Of several
/// arrays, there is none without a `key`.
///
/// # Errors
/// If they are no such array, or another one than its header says.
pub fn read_array_bytes(
    path: &Path,
    bytes: &[u8],
    key: Option<&str>,
    format: ArrayFormat,
    limit: Option<usize>,
) -> Result<Array, TrainError> {
    let file = ArrayFile::new(path, FileBytes::of_memory(bytes.to_vec()), key, Some(format))?;
    let (n_in_file, sample_shape) = (file.n_samples(), file.sample_shape().to_vec());
    Ok(Array { n_in_file, sample_shape, values: file.read(limit)? })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a file of that name and those bytes holds, the same as from memory. If its samples can be read one by one,
    /// they are the same too.
    pub(super) fn read_file(name: &str, bytes: &[u8], limit: Option<usize>) -> Result<Array, String> {
        let (name, key) = name.split_once('#').map_or((name, None), |(name, key)| (name, Some(key)));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let prefix = format!("{}/", folder.path().display());
        let text = |error: TrainError| error.to_string().replace(&prefix, "");
        let result = read_array_bytes(&path, bytes, key, ArrayFormat::of_name(&path), limit).map_err(text);
        let file = ArrayFile::open(&path, key, None).and_then(|file| {
            assert_eq!(file.format(), ArrayFormat::of_name(&path));
            let (n_in_file, sample_shape) = (file.n_samples(), file.sample_shape().to_vec());
            Ok(Array { n_in_file, sample_shape, values: file.read(limit)? })
        });
        assert_eq!(format!("{:?}", file.map_err(text)), format!("{result:?}"));
        if let Ok(array) = &result {
            check_positions(&path, key, array);
        }
        result
    }

    fn check_positions(path: &Path, key: Option<&str>, array: &Array) {
        let file = ArrayFile::open(path, key, None).unwrap();
        if !file.is_positional() {
            assert!(file.by_position().is_err());
            return;
        }
        let samples = file.by_position().unwrap();
        assert_eq!(samples.path(), path);
        let len = samples.header.sample_len;
        assert_eq!(samples.n_samples(), array.n_in_file);
        for first in [0, 1, 2].into_iter().filter(|&first| len > 0 && first < array.values.len() / len) {
            let n = (array.values.len() / len - first).min(2);
            let part = samples.read(first, n).unwrap();
            let elements = |values: &Values| {
                let text = format!("{values:?}").replace(['[', ']'], ",").replace(' ', "");
                text.split(',').skip(1).map(String::from).collect::<Vec<_>>()
            };
            assert_eq!(elements(&part)[..n * len], elements(&array.values)[first * len..(first + n) * len]);
        }
    }

    /// The file that the name names is wrong in that way.
    #[track_caller]
    pub(super) fn check_message(name: &str, bytes: &[u8], message: &str) {
        let file = name.split('#').next().unwrap();
        assert_eq!(read_file(name, bytes, None).unwrap_err(), format!("{file}: {message}"));
    }

    pub(super) fn array(n_in_file: usize, sample_shape: &[usize], values: Values) -> Array {
        Array { n_in_file, sample_shape: sample_shape.to_vec(), values }
    }

    #[test]
    fn names_tell_formats() {
        let format = |name: &str| ArrayFormat::of_name(Path::new(name));
        assert_eq!(format("a/x.npy"), ArrayFormat::Npy);
        assert_eq!(format("X.NPY"), ArrayFormat::Npy);
        assert_eq!(format("x.npz"), ArrayFormat::Npz);
        assert_eq!(format("x.safetensors"), ArrayFormat::Safetensors);
        assert_eq!(format("train-images-idx3-ubyte.gz"), ArrayFormat::Idx);
        assert_eq!(format("npy"), ArrayFormat::Idx);
    }

    /// Threads read samples of one file.
    #[test]
    fn readers_are_shared_between_threads() {
        fn is_shared<T: Send + Sync>() {}
        fn is_sent<T: Send>() {}
        is_shared::<Positioned>();
        is_sent::<ArrayFile>();
    }

    #[test]
    fn one_array_needs_no_key() {
        check_message("x#a", b"", "an IDX file holds one array: leave out what follows the #");
        check_message("x.npy#a", b"", "an NPY file holds one array: leave out what follows the #");
    }

    #[test]
    fn files_that_become_shorter_are_truncated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, idx::tests::idx_bytes(&[4, 2], &[1, 2, 3, 4, 5, 6, 7, 8])).unwrap();
        let samples = ArrayFile::open(&path, None, None).unwrap().by_position().unwrap();
        std::fs::write(&path, idx::tests::idx_bytes(&[4, 2], &[1, 2, 3, 4, 5])).unwrap();
        assert_eq!(samples.read(1, 1).unwrap(), Values::U8(vec![3, 4]));
        let message = samples.read(1, 2).unwrap_err().to_string();
        assert_eq!(
            message,
            format!("{}: truncated: expected 8 bytes after the header, the file ends after 5", path.display())
        );
    }
}
