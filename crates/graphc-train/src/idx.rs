//! IDX files of unsigned bytes; [`ArrayFile`] reads all of them.

use crate::data::array::{ArrayFile, ArrayFormat};
use crate::data::values::{Element, Values};
use crate::error::TrainError;
use std::path::Path;

/// Unsigned bytes of any rank; the first size counts samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxArray {
    /// Sizes as read; the first one is what `data` holds, at most the caller's limit.
    pub shape: Vec<usize>,
    /// Samples in the file, whether read or not.
    pub n_in_file: usize,
    /// Elements, row-major.
    pub data: Vec<u8>,
}

impl IdxArray {
    /// Elements of one sample.
    pub fn sample_len(&self) -> usize {
        self.shape[1..].iter().product()
    }
}

/// A file whose header has been read.
pub struct IdxFile(ArrayFile);

impl IdxFile {
    /// Reads the header.
    ///
    /// # Errors
    /// If the file cannot be read, its header is none or announces more than the file can hold, or its elements are no
    /// unsigned bytes.
    pub fn open(path: &Path) -> Result<IdxFile, TrainError> {
        let file = ArrayFile::open(path, None, Some(ArrayFormat::Idx))?;
        match file.element() {
            Element::U8 => Ok(IdxFile(file)),
            other => Err(TrainError::file(path, format!("expected an IDX file of u8, found {}", other.name()))),
        }
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.0.n_samples()
    }

    /// Sizes of one sample.
    pub fn sample_shape(&self) -> &[usize] {
        self.0.sample_shape()
    }

    /// Reads the first `limit` samples (all without a limit).
    ///
    /// # Errors
    /// As [`ArrayFile::read`].
    pub fn read(self, limit: Option<usize>) -> Result<IdxArray, TrainError> {
        let n_in_file = self.n_samples();
        let mut shape = vec![n_in_file.min(limit.unwrap_or(n_in_file))];
        shape.extend(self.sample_shape());
        let Values::U8(data) = self.0.read(limit)? else { unreachable!("the element type was looked at") };
        Ok(IdxArray { shape, n_in_file, data })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use crate::data::array::idx::tests::{gzip, idx_bytes};
}
