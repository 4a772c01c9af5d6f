//! A data set: for every input of the network the elements of all samples, in a form from which batches are packed.
//!
//! Bytes stay bytes (MNIST takes 47 MB, as `f32` it would take 188); they become numbers when a batch is packed. What
//! is too large for the memory stays in its file, from which the samples of a batch are read.

mod augmented;

use super::augment::{Augmentation, EpochKey, Mixup, Plan, Scratch};
use super::preprocess::{Affine, Fitted};
use super::split::{self, Split};
use super::store::{Column, Store};
use super::windows::Numbers;
use crate::error::TrainError;
use crate::input::InputSpec;
use crate::network::Network;
use crate::packing::{Batch, Bytes, Conversion, Packing, Pairs, Words};
use augmented::Augmenting;
use graphc_ir::DType;
use graphc_ir::graph::Mode;

/// Samples that fit the inputs of a network.
#[derive(Debug)]
pub struct Dataset {
    len: usize,
    columns: Vec<Column>,
    split: Split,
    fitted: Fitted,
    warnings: Vec<String>,
    /// How samples that are trained on are mixed.
    mixup: Option<Mixup>,
}

/// One input of a data set, for packing batches of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a> {
    column: &'a Column,
    /// The epoch for which windows of a text are drawn.
    at: Option<EpochKey>,
    /// How samples are changed.
    augmenting: Option<Augmenting<'a>>,
}

impl Dataset {
    /// Every input comes with what its source's elements become.
    pub(crate) fn new(len: usize, columns: Vec<(InputSpec, Store, Affine)>, split: Split, fitted: Fitted) -> Dataset {
        let column = |(spec, store, affine)| Column { spec, parts: vec![(0, store)], affine, plan: None };
        let columns = columns.into_iter().map(column).collect();
        Dataset { len, columns, split, fitted, warnings: Vec::new(), mixup: None }
    }

    /// With samples to validate on, behind the others.
    ///
    /// # Errors
    /// If they have other inputs, or there are too many together.
    pub(crate) fn with_validation(mut self, validation: Dataset) -> Result<Dataset, TrainError> {
        let len = self.len + validation.len;
        if u32::try_from(len).is_err() {
            return Err(TrainError::Mismatch(format!("{len} samples, expected at most {}", u32::MAX)));
        }
        for column in &mut self.columns {
            let other = validation.columns.iter().position(|other| other.spec.name == column.spec.name);
            let Some(at) = other else {
                let name = &column.spec.name;
                return Err(TrainError::Mismatch(format!("the validation data lacks the input `{name}`")));
            };
            debug_assert_eq!(validation.columns[at].parts.len(), 1, "it has no validation data itself");
        }
        for other in validation.columns {
            if let Some(column) = self.columns.iter_mut().find(|column| column.spec.name == other.spec.name) {
                column.parts.extend(other.parts.into_iter().map(|(first, store)| (self.len + first, store)));
            }
        }
        self.split.validation = split::numbers(self.len..len);
        self.len = len;
        Ok(self)
    }

    /// Number of samples, whatever they are for.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Which samples are trained on, and which validate; of data for tests, the former are all.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// What training samples said.
    pub fn fitted(&self) -> &Fitted {
        &self.fitted
    }

    /// What was changed to make samples fit.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(crate) fn with_warnings(self, warnings: Vec<String>) -> Dataset {
        Dataset { warnings, ..self }
    }

    /// The inputs, in the order in which they were given.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = Input<'_>> {
        self.inputs_at(None)
    }

    /// The inputs as an epoch of a training has them; as they are if it is none.
    pub(crate) fn inputs_at(&self, at: Option<EpochKey>) -> impl Iterator<Item = Input<'_>> {
        self.columns.iter().map(move |column| Input { column, at, augmenting: self.augmenting(column, at) })
    }

    /// Whether samples have that input.
    pub fn has_input(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.spec.name == name)
    }

    /// Names of the inputs, in the order in which they were given.
    pub fn input_names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.spec.name.as_str()).collect()
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

    /// The words of an input of one sample, row-major: bits of `f32`, or `i32`.
    ///
    /// # Errors
    /// If there is no such input or sample, or it cannot be read.
    pub fn words(&self, name: &str, sample: usize) -> Result<Vec<u32>, TrainError> {
        self.words_at(name, sample, None)
    }

    fn words_at(&self, name: &str, sample: usize, at: Option<EpochKey>) -> Result<Vec<u32>, TrainError> {
        let column = self.columns.iter().find(|column| column.spec.name == name);
        let column = column.ok_or_else(|| TrainError::Mismatch(format!("the data has no input `{name}`")))?;
        if sample >= self.len {
            return Err(TrainError::Mismatch(format!("no sample {sample}: there are {}, from 0", self.len)));
        }
        let (first, store) = column.part(sample);
        store.words(sample - first, column.sample_len(), at)
    }

    /// What went wrong with reading a file while batches were packed.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        self.columns.iter().find_map(Column::failure).map_or(Ok(()), Err)
    }

    /// With samples that are changed at random whenever they are trained on. What validates or tests stays as it is.
    ///
    /// # Errors
    /// If what is asked for does not fit an input.
    pub fn augmented(mut self, augmentation: &Augmentation) -> Result<Dataset, TrainError> {
        let Augmentation { inputs, mixup } = augmentation;
        for (name, augment) in inputs {
            let Some(column) = self.columns.iter_mut().find(|column| column.spec.name == *name) else {
                return Err(TrainError::Mismatch(format!(
                    "`augment` is about `{name}`, but the data has no such input"
                )));
            };
            let are_bytes = column.parts[0].1.holds_bytes();
            let plan = Plan::new(&column.spec, augment, &column.affine, are_bytes);
            column.plan = plan.map_err(TrainError::Mismatch)?;
        }
        if let Some(mixup) = mixup {
            mixup.check().map_err(TrainError::Mismatch)?;
            if let Some(column) = self.columns.iter().find(|column| column.spec.dtype != DType::F32) {
                return Err(TrainError::Mismatch(format!(
                    "`mixup` cannot mix the input `{}`: its elements are integers, such as class numbers; it takes \
                     targets that are shares of the classes (`one_hot`)",
                    column.spec.name
                )));
            }
        }
        self.mixup = *mixup;
        Ok(self)
    }

    /// The words of an input of one sample as training has it in that epoch (from 1) of a run with that seed.
    ///
    /// # Errors
    /// As [`Dataset::words`].
    pub fn augmented_words(&self, name: &str, sample: usize, seed: u64, epoch: usize) -> Result<Vec<u32>, TrainError> {
        let at = EpochKey { seed, epoch: epoch as u64 };
        let mut words = self.words_at(name, sample, Some(at))?;
        let mut inputs = self.inputs_at(Some(at));
        if let Some(Input { column, augmenting: Some(augmenting), .. }) = inputs.find(|input| input.name() == name) {
            let number = u32::try_from(sample).expect("sample counts are 32-bit");
            augmenting.write(column, number, &mut Scratch::default(), &mut Vec::new(), &mut words)?;
        }
        Ok(words)
    }

    /// Whether the elements of an input come as bytes, of which `preprocess` makes numbers.
    pub fn holds_bytes(&self, input: &str) -> bool {
        let mut columns = self.columns.iter();
        columns.any(|column| column.spec.name == input && column.parts[0].1.holds_bytes())
    }

    /// What happens to an input in an epoch; nothing outside of epochs, or to what is not to be changed.
    fn augmenting(&self, column: &Column, at: Option<EpochKey>) -> Option<Augmenting<'_>> {
        let is_changed = column.plan.is_some() || self.mixup.is_some();
        let mixup = self.mixup.map(|mixup| (mixup, &*self.split.train));
        at.filter(|_| is_changed).map(|at| Augmenting { at, mixup })
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
    ///
    /// # Panics
    /// If samples are not all of the training data or all of the validation data, or there are no such ones.
    pub(crate) fn pack_chunk(&self, batch: Batch<'_>, packing: &Packing, chunk: usize, words: &mut [u32]) {
        if let Some(augmenting) = &self.augmenting {
            return augmenting.pack_chunk(self.column, batch, packing, chunk, words);
        }
        let len = self.column.sample_len();
        let (first, store) = self.column.part(batch.samples[0] as usize);
        let range = |sample: u32| {
            let at = sample as usize - first;
            at * len..(at + 1) * len
        };
        match store {
            Store::Bytes { bytes, pairs } => {
                let conversion = pairs.as_ref().map_or(Conversion::Integer, Pairs::conversion);
                packing.pack_chunk(batch, |sample| &bytes[range(sample)], &Bytes::new(conversion), chunk, words);
            }
            Store::Words(all) => packing.pack_chunk(batch, |sample| &all[range(sample)], &Words::new(), chunk, words),
            Store::Windows(windows) => {
                let range = |sample: u32| windows.range(sample as usize - first, len, self.at);
                match &*windows.numbers {
                    Numbers::Bytes(all) => {
                        let convert = Bytes::new(Conversion::Integer);
                        packing.pack_chunk(batch, |sample| &all[range(sample)], &convert, chunk, words);
                    }
                    Numbers::Words(all) => {
                        packing.pack_chunk(batch, |sample| &all[range(sample)], &Words::new(), chunk, words);
                    }
                }
            }
            Store::OneByOne { .. } => {
                let mut read = Vec::new();
                for &sample in packing.samples_of(batch.samples, chunk) {
                    let row = store.words(sample as usize - first, len, None).unwrap_or_else(|error| {
                        self.column.fail(error);
                        vec![0; len]
                    });
                    read.push((sample, row));
                }
                let row_of = |sample: u32| {
                    let row = read.iter().find(|(number, _)| *number == sample);
                    &*row.expect("the samples of the chunk have been read").1
                };
                packing.pack_chunk(Batch { after: &[], ..batch }, row_of, &Words::new(), chunk, words);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::data::array::idx::tests::{gzip, idx_bytes};
    use crate::data::{ArraySource, Loader, Part, Preprocess, Source, Synthetic, Validation};
    use graphc_driver::session::Integers;
    use tempfile::TempDir;

    /// Data and how it is read.
    pub(crate) struct Numbered {
        pub(crate) inputs: Vec<InputSpec>,
        pub(crate) source: Source,
        pub(crate) most_in_memory: Option<u64>,
    }

    /// Images 2x2 whose pixels are all the sample's number, labels that number modulo 3.
    pub(crate) fn numbered(n: usize) -> (TempDir, Numbered) {
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
            integers: None,
        };
        let label = InputSpec {
            name: "label".into(),
            dtype: DType::I32,
            sample_shape: Vec::new(),
            is_target: true,
            integers: Some(Integers::classes(3)),
        };
        let file = |name: &str| ArraySource::new(folder.path().join(name));
        let arrays = vec![("image".into(), file("images")), ("label".into(), file("labels"))];
        let numbered = Numbered { inputs: vec![image, label], source: Source::Arrays(arrays), most_in_memory: None };
        (folder, numbered)
    }

    /// Pixels are multiplied by `scale`; that share of the samples validates.
    pub(crate) fn load(data: &Numbered, scale: f64, share: f64) -> Dataset {
        try_load(data, scale, share, None).unwrap()
    }

    fn try_load(data: &Numbered, scale: f64, share: f64, limit: Option<usize>) -> Result<Dataset, TrainError> {
        let preprocess = |spec: &InputSpec| Preprocess {
            scale: if spec.dtype == DType::F32 { scale } else { 1.0 },
            ..Preprocess::default()
        };
        let inputs = data.inputs.iter().map(|spec| (spec.clone(), preprocess(spec))).collect();
        let loader = Loader { inputs, n_threads: 1, most_in_memory: data.most_in_memory };
        loader.read(&data.source, limit, &[])?.fit(Validation::Share { share, seed: 1 })
    }

    fn load_error(folder: &TempDir, data: &Numbered) -> String {
        let error = try_load(data, 1.0, 0.0, None).unwrap_err().to_string();
        error.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn limit_and_samples() {
        let (_folder, specs) = numbered(7);
        assert_eq!(load(&specs, 1.0, 0.0).len(), 7);
        let data = try_load(&specs, 1.0, 0.5, Some(5)).unwrap();
        assert_eq!((data.len(), data.split().train.len(), data.split().validation.len()), (5, 2, 3));
        assert_eq!(specs.source.announced_samples(), Some(7));
        assert_eq!(data.words("image", 4).unwrap(), [4f32.to_bits(); 4]);
        assert_eq!(data.words("label", 4).unwrap(), [1]);
        assert_eq!(data.words("label", 5).unwrap_err().to_string(), "no sample 5: there are 5, from 0");
        assert_eq!(data.words("other", 0).unwrap_err().to_string(), "the data has no input `other`");
    }

    #[test]
    fn label_out_of_range() {
        let (folder, mut specs) = numbered(7);
        specs.inputs[1].integers = Some(Integers::classes(2));
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
        let first = folder.path().join("images");
        assert_eq!(message.replace(&*first.to_string_lossy(), "images"), "labels: 6 samples, but images has 7");
        // The limit does not hide it.
        assert!(try_load(&specs, 1.0, 0.0, Some(3)).is_err());
    }

    #[test]
    fn sample_shape_differs() {
        let (folder, mut specs) = numbered(7);
        specs.inputs[0].sample_shape = vec![28, 28, 1];
        assert_eq!(load_error(&folder, &specs), "images: samples of shape 2x2, but the input `image` takes 28x28x1");
        specs.inputs[0].sample_shape = vec![2, 2, 1];
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

    /// What is left in its file gives the same words as what is read into memory.
    #[test]
    fn in_memory_or_not() {
        let (_folder, mut specs) = numbered(40);
        let words = |data: &Dataset| (0..40).map(|sample| data.words("image", sample).unwrap()).collect::<Vec<_>>();
        let expected = words(&load(&specs, 0.1, 0.25));
        specs.most_in_memory = Some(0);
        let data = load(&specs, 0.1, 0.25);
        assert!(matches!(data.columns[0].parts[0].1, Store::OneByOne { .. }), "{:?}", data.columns[0]);
        assert_eq!(words(&data), expected);
        data.check().unwrap();
    }

    #[test]
    fn validation_data_of_its_own() {
        let (_folder, specs) = numbered(7);
        let (_other, other) = numbered(3);
        let loader = Loader {
            inputs: specs.inputs.iter().map(|spec| (spec.clone(), Preprocess::default())).collect(),
            n_threads: 1,
            most_in_memory: None,
        };
        let validation = loader.read(&other.source, None, &[]).unwrap();
        let data = loader.read(&specs.source, None, &[]).unwrap().fit(Validation::Set(validation)).unwrap();
        assert_eq!((data.len(), data.split().train.len()), (10, 7));
        assert_eq!(data.split().validation, [7, 8, 9]);
        assert_eq!(data.words("image", 8).unwrap(), [1f32.to_bits(); 4]);
        assert_eq!(data.words("label", 9).unwrap(), [2]);
    }

    #[test]
    fn what_is_made_up_is_data_too() {
        let (_folder, mut specs) = numbered(7);
        specs.source = Source::Synthetic(Synthetic { seed: 1, part: Part::Train, n_samples: 8, n_classes: 3 });
        let data = load(&specs, 1.0, 0.0);
        assert_eq!(data.len(), 8);
        assert!(data.words("label", 4).unwrap()[0] < 3);
    }
}
