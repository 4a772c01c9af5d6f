//! A data set in memory: one array of bytes per input of the network.
//!
//! Bytes stay bytes (MNIST takes 47 MB, as `f32` it would take 188); they become numbers when a batch is packed.

use crate::error::TrainError;
use crate::idx::{IdxArray, IdxFile};
use crate::input::{InputSpec, shape_text};
use crate::network::{InputBuffer, Network};
use crate::packing::{Batch, Conversion, Packing};
use crate::synthetic::Synthetic;
use graphc_driver::session::{first_outside, label_out_of_range};
use graphc_ir::DType;
use graphc_ir::graph::Mode;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Where the values of an input come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An IDX file.
    File(PathBuf),
    /// They are made up.
    Synthetic(Synthetic),
}

/// One input of all samples.
#[derive(Clone, Debug)]
struct Column {
    spec: InputSpec,
    /// What a byte of a floating-point input counts.
    scale: f32,
    data: Vec<u8>,
}

/// Samples that fit the inputs of a network.
#[derive(Clone, Debug)]
pub struct Dataset {
    len: usize,
    columns: Vec<Column>,
}

/// One input of a data set, for packing batches of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a> {
    column: &'a Column,
}

impl Dataset {
    /// Takes at most `limit` samples of every input from its source. Floating-point inputs are multiplied
    /// by `scale`, but not a target that comes from a file.
    ///
    /// # Errors
    /// If a file is missing or corrupt, samples have another size than the input, sources disagree on the number of
    /// samples or have too many for the memory, or a label is no class. What does not fit is found before anything is
    /// read.
    pub fn load(inputs: &[(InputSpec, Source)], scale: f64, limit: Option<usize>) -> Result<Dataset, TrainError> {
        let [(_, first), ..] = inputs else {
            return Err(TrainError::Mismatch("a data set needs at least one input".into()));
        };
        // Everything is opened and compared before anything is read.
        let opened =
            inputs.iter().map(|(spec, source)| OpenColumn::open(spec, source)).collect::<Result<Vec<_>, _>>()?;
        let n = opened[0].n_samples();
        for (column, (_, source)) in opened.iter().zip(inputs) {
            if column.n_samples() != n {
                return Err(source.error(format!("{} samples, but {first} has {n}", column.n_samples())));
            }
        }
        if n == 0 {
            return Err(first.error("no samples"));
        }
        if u32::try_from(n).is_err() {
            return Err(first.error(format!("{n} samples, expected at most {}", u32::MAX)));
        }
        let columns =
            opened.into_iter().map(|column| column.read(scale as f32, limit)).collect::<Result<Vec<_>, _>>()?;
        Ok(Dataset { len: n.min(limit.unwrap_or(n)), columns })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The inputs, in the order in which they were given.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = Input<'_>> {
        self.columns.iter().map(|column| Input { column })
    }

    /// How batches of that size are packed for that step of the network, input by input.
    ///
    /// # Errors
    /// If the network has no such input, or it is of another type or size.
    pub(crate) fn packings(
        &self,
        network: &mut dyn Network,
        mode: Mode,
        batch: usize,
    ) -> Result<Vec<Packing>, TrainError> {
        self.columns.iter().map(|column| column.packing(network, mode, batch)).collect()
    }

    /// Bytes of one sample of the input `name`.
    pub fn sample(&self, name: &str, index: usize) -> Option<&[u8]> {
        let column = self.columns.iter().find(|column| column.spec.name == name)?;
        (index < self.len).then(|| &column.data[column.range(index)])
    }
}

impl Input<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.column.spec.name
    }

    /// Packs those samples, as many as the packing is for, into the words of a buffer.
    pub(crate) fn pack(&self, samples: &[u32], packing: &Packing, words: &mut [u32]) {
        assert_eq!(words.len(), packing.n_words(), "words of the buffer");
        let batch = Batch { samples, after: &[] };
        let chunks = words.chunks_mut(packing.chunk_len());
        chunks.enumerate().for_each(|(chunk, words)| self.pack_chunk(batch, packing, chunk, words));
    }

    /// Packs those of a batch's samples that belong to one chunk of the buffer, of that number and with those words.
    pub(crate) fn pack_chunk(&self, batch: Batch<'_>, packing: &Packing, chunk: usize, words: &mut [u32]) {
        let Input { column } = *self;
        let bytes_of = |sample: u32| &column.data[column.range(sample as usize)];
        let conversion = match column.spec.dtype {
            DType::F32 => Conversion::Scaled(column.scale),
            DType::I32 => Conversion::Integer,
        };
        packing.pack_chunk(batch, bytes_of, conversion, chunk, words);
    }
}

impl Source {
    /// Number of samples, without reading them.
    ///
    /// # Errors
    /// If a file has no head that says it.
    pub fn announced_samples(&self) -> Result<usize, TrainError> {
        match self {
            Source::File(path) => IdxFile::open(path).map(|file| file.n_samples()),
            Source::Synthetic(synthetic) => Ok(synthetic.n_samples),
        }
    }

    /// An error about its values.
    pub(crate) fn error(&self, message: impl fmt::Display) -> TrainError {
        match self {
            Source::File(path) => TrainError::file(path, message.to_string()),
            Source::Synthetic(_) => TrainError::Mismatch(format!("{self}: {message}")),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => write!(f, "{}", path.display()),
            Source::Synthetic(_) => f.write_str("synthetic data"),
        }
    }
}

/// A column whose source is known to fit, but not read yet.
struct OpenColumn<'a> {
    spec: &'a InputSpec,
    source: OpenSource<'a>,
}

enum OpenSource<'a> {
    File(&'a Path, IdxFile),
    Synthetic(&'a Synthetic),
}

impl<'a> OpenColumn<'a> {
    fn open(spec: &'a InputSpec, source: &'a Source) -> Result<OpenColumn<'a>, TrainError> {
        let source = match source {
            Source::File(path) => OpenSource::File(path, open_file(path, spec)?),
            Source::Synthetic(synthetic) => OpenSource::Synthetic(synthetic),
        };
        Ok(OpenColumn { spec, source })
    }

    fn n_samples(&self) -> usize {
        match &self.source {
            OpenSource::File(_, file) => file.n_samples(),
            OpenSource::Synthetic(synthetic) => synthetic.n_samples,
        }
    }

    fn read(self, scale: f32, limit: Option<usize>) -> Result<Column, TrainError> {
        let n = self.n_samples();
        let (scale, data) = match self.source {
            OpenSource::File(path, file) => {
                let array = file.read(limit)?;
                check_labels(path, self.spec, &array)?;
                // Scaling is for what the network sees, not for what it is to answer.
                (if self.spec.is_target { 1.0 } else { scale }, array.data)
            }
            // Here the factor says which values are made up.
            OpenSource::Synthetic(synthetic) => (scale, synthetic.samples(self.spec, n.min(limit.unwrap_or(n)))?),
        };
        Ok(Column { spec: self.spec.clone(), scale, data })
    }
}

/// Opens a file whose samples have the shape of an input.
///
/// # Errors
/// As [`IdxFile::open`], or if they have another.
pub(crate) fn open_file(path: &Path, spec: &InputSpec) -> Result<IdxFile, TrainError> {
    let file = IdxFile::open(path)?;
    check_sample_shape(path, spec, file.sample_shape())?;
    Ok(file)
}

impl Column {
    fn packing(&self, network: &mut dyn Network, mode: Mode, batch: usize) -> Result<Packing, TrainError> {
        let InputSpec { name, dtype, sample_shape, .. } = &self.spec;
        let buffer = network.input_buffer(mode, batch, name)?;
        let mut shape = vec![batch];
        shape.extend(sample_shape);
        let packing = Packing::new(buffer.layout).filter(|_| buffer.dtype == *dtype && buffer.layout.shape == shape);
        packing.ok_or_else(|| {
            let InputBuffer { dtype: found, layout, .. } = buffer;
            let (expected, found_shape) = (shape_text(&shape), shape_text(&layout.shape));
            TrainError::Mismatch(format!(
                "the data for `{name}` is {} of shape {expected}, but the network takes {} of shape {found_shape}, batch axis {:?}",
                dtype.name(), found.name(), layout.batch_axis
            ))
        })
    }

    fn range(&self, sample: usize) -> Range<usize> {
        let len: usize = self.spec.sample_shape.iter().product();
        sample * len..(sample + 1) * len
    }
}

/// Sizes of 1 may be missing or added: MNIST's 28x28 is an image of shape 28x28x1.
fn check_sample_shape(path: &Path, spec: &InputSpec, found: &[usize]) -> Result<(), TrainError> {
    let without_ones = |sizes: &[usize]| sizes.iter().copied().filter(|&size| size != 1).collect::<Vec<_>>();
    if without_ones(found) == without_ones(&spec.sample_shape) {
        return Ok(());
    }
    Err(TrainError::file(
        path,
        format!(
            "samples of shape {}, but the input `{}` takes {}",
            shape_text(found),
            spec.name,
            shape_text(&spec.sample_shape)
        ),
    ))
}

fn check_labels(path: &Path, spec: &InputSpec, array: &IdxArray) -> Result<(), TrainError> {
    let Some(n_classes) = spec.n_classes else { return Ok(()) };
    match first_outside(array.data.iter().map(|&label| i32::from(label)), n_classes) {
        None => Ok(()),
        Some(at) => Err(TrainError::file(
            path,
            label_out_of_range(&spec.name, n_classes, at / array.sample_len().max(1), i64::from(array.data[at])),
        )),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::idx::tests::{gzip, idx_bytes};
    use tempfile::TempDir;

    /// Images 2x2 whose pixels are all the sample's number, labels that number modulo 3.
    pub(crate) fn numbered(n: usize) -> (TempDir, Vec<(InputSpec, Source)>) {
        let folder = tempfile::tempdir().unwrap();
        let images: Vec<u8> = (0..4 * n).map(|i| (i / 4) as u8).collect();
        let labels: Vec<u8> = (0..n).map(|i| (i % 3) as u8).collect();
        std::fs::write(folder.path().join("images"), idx_bytes(&[n as u32, 2, 2], &images)).unwrap();
        std::fs::write(folder.path().join("labels"), idx_bytes(&[n as u32], &labels)).unwrap();
        let image = InputSpec {
            name: "image".into(),
            dtype: DType::F32,
            sample_shape: vec![2, 2, 1],
            is_target: false,
            n_classes: None,
        };
        let label = InputSpec {
            name: "label".into(),
            dtype: DType::I32,
            sample_shape: Vec::new(),
            is_target: true,
            n_classes: Some(3),
        };
        let file = |name: &str| Source::File(folder.path().join(name));
        let inputs = vec![(image, file("images")), (label, file("labels"))];
        (folder, inputs)
    }

    fn load_error(folder: &TempDir, specs: &[(InputSpec, Source)]) -> String {
        let error = Dataset::load(specs, 1.0, None).unwrap_err().to_string();
        error.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn limit_and_samples() {
        let (_folder, specs) = numbered(7);
        assert_eq!(Dataset::load(&specs, 1.0, None).unwrap().len(), 7);
        let data = Dataset::load(&specs, 1.0, Some(5)).unwrap();
        assert_eq!(data.len(), 5);
        assert_eq!(specs[0].1.announced_samples().unwrap(), 7);
        assert_eq!(data.sample("image", 4), Some(&[4, 4, 4, 4][..]));
        assert_eq!(data.sample("label", 4), Some(&[1][..]));
        assert_eq!(data.sample("label", 5), None);
        assert_eq!(data.sample("other", 0), None);
    }

    #[test]
    fn label_out_of_range() {
        let (folder, mut specs) = numbered(7);
        specs[1].0.n_classes = Some(2);
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
        specs[0].0.sample_shape = vec![28, 28, 1];
        assert_eq!(load_error(&folder, &specs), "images: samples of shape 2x2, but the input `image` takes 28x28x1");
        specs[0].0.sample_shape = vec![2, 2, 1];
        std::fs::write(folder.path().join("images"), idx_bytes(&[0, 2, 2], &[])).unwrap();
        std::fs::write(folder.path().join("labels"), idx_bytes(&[0], &[])).unwrap();
        assert_eq!(load_error(&folder, &specs), "images: no samples");
    }

    /// Shapes and numbers of samples are compared before anything but headers is read, or inflated.
    #[test]
    fn headers_are_compared_first() {
        let (folder, specs) = numbered(7);
        let images = gzip(&idx_bytes(&[7, 3, 2], &[0; 42]));
        // The elements are cut off.
        let stored = [&images[..images.len() - 12], &[0xff; 40]].concat();
        std::fs::write(folder.path().join("images"), &stored).unwrap();
        assert_eq!(load_error(&folder, &specs), "images: samples of shape 3x2, but the input `image` takes 2x2x1");
        let images = gzip(&idx_bytes(&[8, 2, 2], &[1; 32]));
        let corrupt = [&images[..images.len() - 8], &[0; 8]].concat();
        std::fs::write(folder.path().join("images"), &corrupt).unwrap();
        assert_eq!(load_error(&folder, &specs), "labels: 7 samples, but images has 8");
        std::fs::write(folder.path().join("labels"), idx_bytes(&[8], &[0; 8])).unwrap();
        assert_eq!(
            load_error(&folder, &specs),
            "images: corrupt gzip data: corrupt gzip stream does not have a matching checksum"
        );
    }

    /// What the network answers is not scaled, what it sees is; of what is made up, everything is.
    #[test]
    fn scale_leaves_targets_of_files_alone() {
        let (_folder, mut inputs) = numbered(7);
        let scales = |inputs: &[(InputSpec, Source)]| {
            let data = Dataset::load(inputs, 0.5, None).unwrap();
            data.columns.iter().map(|column| column.scale).collect::<Vec<_>>()
        };
        inputs[1].0 = InputSpec { dtype: DType::F32, n_classes: None, ..inputs[1].0.clone() };
        assert_eq!(scales(&inputs), [0.5, 1.0]);
        inputs[1].1 =
            Source::Synthetic(Synthetic { seed: 1, part: crate::synthetic::Part::Train, n_samples: 7, n_classes: 3 });
        assert_eq!(scales(&inputs), [0.5, 0.5]);
    }

    /// Files and made-up columns are columns alike: limited, compared with each other, and bound by name.
    #[test]
    fn columns_of_either_source() {
        let (folder, mut inputs) = numbered(7);
        let synthetic = |n_samples| {
            Source::Synthetic(Synthetic { seed: 1, part: crate::synthetic::Part::Train, n_samples, n_classes: 3 })
        };
        inputs[1].1 = synthetic(7);
        let data = Dataset::load(&inputs, 1.0, Some(5)).unwrap();
        assert_eq!((data.len(), data.sample("image", 4)), (5, Some(&[4, 4, 4, 4][..])));
        assert!(data.sample("label", 4).unwrap()[0] < 3);
        inputs[1].1 = synthetic(8);
        assert_eq!(load_error(&folder, &inputs), "synthetic data: 8 samples, but images has 7");
        inputs.swap(0, 1);
        assert_eq!(load_error(&folder, &inputs), "images: 7 samples, but synthetic data has 8");
    }
}
