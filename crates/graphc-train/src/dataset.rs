//! A data set in memory: one array of bytes per input of the network.
//!
//! Bytes stay bytes (MNIST takes 47 MB, as `f32` it would take 188); they become numbers when a batch is gathered.

use crate::error::TrainError;
use crate::idx::{self, IdxArray};
use crate::network::{Network, NetworkError};
use graphc_ir::DType;
use graphc_ir::graph::Mode;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What the network takes under one name and where its values are.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSpec {
    /// Name of the input.
    pub name: String,
    /// `F32`: bytes are scaled. `I32`: bytes are class numbers or counts, taken as they are.
    pub dtype: DType,
    /// Sizes of one sample, without the batch dimension.
    pub sample_shape: Vec<usize>,
    /// For labels, the number of classes; every value must be below it.
    pub n_classes: Option<usize>,
    /// The IDX file.
    pub path: PathBuf,
}

/// One input of all samples.
#[derive(Clone, Debug)]
struct Column {
    spec: InputSpec,
    data: Vec<u8>,
}

/// Samples that fit the inputs of a network.
#[derive(Clone, Debug)]
pub struct Dataset {
    len: usize,
    scale: f32,
    columns: Vec<Column>,
}

/// Buffers reused from batch to batch.
#[derive(Debug, Default)]
pub struct Gather {
    floats: Vec<f32>,
    ints: Vec<i32>,
}

impl Dataset {
    /// Reads every input's file, at most `limit` samples of it. Floating-point inputs are multiplied by `scale`.
    ///
    /// # Errors
    /// If a file is missing or corrupt, samples have another size than the input, files disagree on the number of
    /// samples, or a label is no class.
    pub fn load(specs: &[InputSpec], scale: f64, limit: Option<usize>) -> Result<Dataset, TrainError> {
        let mut columns = Vec::with_capacity(specs.len());
        let mut counts: Vec<(usize, &Path)> = Vec::with_capacity(specs.len());
        for spec in specs {
            let array = idx::read(&spec.path, limit)?;
            check_sample_shape(spec, &array)?;
            check_labels(spec, &array)?;
            counts.push((array.n_in_file, &spec.path));
            columns.push(Column { spec: spec.clone(), data: array.data });
        }
        let Some(&(n, first)) = counts.first() else {
            return Err(TrainError::Mismatch("a data set needs at least one input".into()));
        };
        if let Some((other, path)) = counts.iter().find(|(count, _)| *count != n) {
            return Err(TrainError::file(path, format!("{other} samples, but {} has {n}", first.display())));
        }
        if n == 0 {
            return Err(TrainError::file(first, "no samples"));
        }
        Ok(Dataset { len: n.min(limit.unwrap_or(n)), scale: scale as f32, columns })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Binds the samples `indices` to the inputs of the network's executable for that many samples.
    ///
    /// # Errors
    /// If the network refuses an input.
    pub fn bind(
        &self,
        network: &mut dyn Network,
        mode: Mode,
        indices: &[u32],
        gather: &mut Gather,
    ) -> Result<(), NetworkError> {
        for column in &self.columns {
            let name = &column.spec.name;
            match column.spec.dtype {
                DType::F32 => {
                    column.gather(indices, &mut gather.floats, |byte| f32::from(byte) * self.scale);
                    network.set_input_f32(mode, indices.len(), name, &gather.floats)?;
                }
                DType::I32 => {
                    column.gather(indices, &mut gather.ints, i32::from);
                    network.set_input_i32(mode, indices.len(), name, &gather.ints)?;
                }
            }
        }
        Ok(())
    }

    /// Bytes of one sample of the input `name`.
    pub fn sample(&self, name: &str, index: usize) -> Option<&[u8]> {
        let column = self.columns.iter().find(|column| column.spec.name == name)?;
        (index < self.len).then(|| &column.data[column.range(index)])
    }
}

impl Column {
    fn range(&self, sample: usize) -> Range<usize> {
        let len: usize = self.spec.sample_shape.iter().product();
        sample * len..(sample + 1) * len
    }

    fn gather<T>(&self, indices: &[u32], out: &mut Vec<T>, convert: impl Fn(u8) -> T) {
        out.clear();
        for &sample in indices {
            out.extend(self.data[self.range(sample as usize)].iter().map(|&byte| convert(byte)));
        }
    }
}

/// Sizes of 1 may be missing or added: MNIST's 28x28 is an image of shape 28x28x1.
fn check_sample_shape(spec: &InputSpec, array: &IdxArray) -> Result<(), TrainError> {
    let without_ones = |sizes: &[usize]| sizes.iter().copied().filter(|&size| size != 1).collect::<Vec<_>>();
    if without_ones(&array.shape[1..]) == without_ones(&spec.sample_shape) {
        return Ok(());
    }
    Err(TrainError::file(
        &spec.path,
        format!(
            "samples of shape {}, but the input `{}` takes {}",
            shape_text(&array.shape[1..]),
            spec.name,
            shape_text(&spec.sample_shape)
        ),
    ))
}

fn check_labels(spec: &InputSpec, array: &IdxArray) -> Result<(), TrainError> {
    let Some(n_classes) = spec.n_classes else { return Ok(()) };
    match array.data.iter().position(|&label| usize::from(label) >= n_classes) {
        None => Ok(()),
        Some(at) => Err(TrainError::file(
            &spec.path,
            format!(
                "label out of range: sample {} has label {}, but `{}` has {n_classes} classes (0 to {})",
                at / array.sample_len().max(1),
                array.data[at],
                spec.name,
                n_classes - 1
            ),
        )),
    }
}

/// `28x28x1`, or `a scalar`.
pub(crate) fn shape_text(sizes: &[usize]) -> String {
    if sizes.is_empty() {
        return "a scalar".into();
    }
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::idx::tests::idx_bytes;
    use tempfile::TempDir;

    /// Images 2x2 whose pixels are all the sample's number, labels that number modulo 3.
    pub(crate) fn numbered(n: usize) -> (TempDir, Vec<InputSpec>) {
        let folder = tempfile::tempdir().unwrap();
        let images: Vec<u8> = (0..4 * n).map(|i| (i / 4) as u8).collect();
        let labels: Vec<u8> = (0..n).map(|i| (i % 3) as u8).collect();
        std::fs::write(folder.path().join("images"), idx_bytes(&[n as u32, 2, 2], &images)).unwrap();
        std::fs::write(folder.path().join("labels"), idx_bytes(&[n as u32], &labels)).unwrap();
        let image = InputSpec {
            name: "image".into(),
            dtype: DType::F32,
            sample_shape: vec![2, 2, 1],
            n_classes: None,
            path: folder.path().join("images"),
        };
        let label = InputSpec {
            name: "label".into(),
            dtype: DType::I32,
            sample_shape: Vec::new(),
            n_classes: Some(3),
            path: folder.path().join("labels"),
        };
        (folder, vec![image, label])
    }

    fn load_error(folder: &TempDir, specs: &[InputSpec]) -> String {
        let error = Dataset::load(specs, 1.0, None).unwrap_err().to_string();
        error.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn limit_and_samples() {
        let (_folder, specs) = numbered(7);
        assert_eq!(Dataset::load(&specs, 1.0, None).unwrap().len(), 7);
        let data = Dataset::load(&specs, 1.0, Some(5)).unwrap();
        assert_eq!(data.len(), 5);
        assert_eq!(data.sample("image", 4), Some(&[4, 4, 4, 4][..]));
        assert_eq!(data.sample("label", 4), Some(&[1][..]));
        assert_eq!(data.sample("label", 5), None);
        assert_eq!(data.sample("other", 0), None);
    }

    #[test]
    fn label_out_of_range() {
        let (folder, mut specs) = numbered(7);
        specs[1].n_classes = Some(2);
        assert_eq!(
            load_error(&folder, &specs),
            "labels: label out of range: sample 2 has label 2, but `label` has 2 classes (0 to 1)"
        );
    }

    #[test]
    fn counts_differ() {
        let (folder, specs) = numbered(7);
        std::fs::write(folder.path().join("labels"), idx_bytes(&[6], &[0; 6])).unwrap();
        let message = load_error(&folder, &specs);
        assert_eq!(message, "labels: 6 samples, but images has 7");
        // The limit does not hide it.
        assert!(Dataset::load(&specs, 1.0, Some(3)).is_err());
    }

    #[test]
    fn sample_shape_differs() {
        let (folder, mut specs) = numbered(7);
        specs[0].sample_shape = vec![28, 28, 1];
        assert_eq!(load_error(&folder, &specs), "images: samples of shape 2x2, but the input `image` takes 28x28x1");
        specs[0].sample_shape = vec![2, 2, 1];
        std::fs::write(folder.path().join("images"), idx_bytes(&[0, 2, 2], &[])).unwrap();
        std::fs::write(folder.path().join("labels"), idx_bytes(&[0], &[])).unwrap();
        assert_eq!(load_error(&folder, &specs), "images: no samples");
    }
}
