//! Batches whose samples are changed at random, for training.

use super::{Column, Dataset, Input, Store, words_of_row};
use crate::data::augment::{Augmentation, EpochKey, Mixup, Plan, Scratch, Source, mix};
use crate::data::values::Values;
use crate::error::TrainError;
use crate::packing::{Batch, Packing, Words};
use graphc_ir::DType;
use std::borrow::Cow;

/// How the samples of an input are changed in one epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Augmenting<'a> {
    at: EpochKey,
    /// With the samples that others are mixed with.
    mixup: Option<(Mixup, &'a [u32])>,
}

impl Dataset {
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
                    "`mixup` cannot mix the input `{}`: its elements are integers, such as class numbers; it takes targets that \
                     are shares of the classes (`one_hot`)",
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
        let mut words = self.words(name, sample)?;
        let at = EpochKey { seed, epoch: epoch as u64 };
        let mut inputs = self.inputs_at(Some(at));
        if let Some(Input { column, augmenting: Some(augmenting) }) = inputs.find(|input| input.name() == name) {
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
    pub(super) fn augmenting(&self, column: &Column, at: Option<EpochKey>) -> Option<Augmenting<'_>> {
        let is_changed = column.plan.is_some() || self.mixup.is_some();
        let mixup = self.mixup.map(|mixup| (mixup, &*self.split.train));
        at.filter(|_| is_changed).map(|at| Augmenting { at, mixup })
    }
}

impl Augmenting<'_> {
    /// As [`Input::pack_chunk`].
    pub(super) fn pack_chunk(
        &self,
        column: &Column,
        batch: Batch<'_>,
        packing: &Packing,
        chunk: usize,
        words: &mut [u32],
    ) {
        let len = column.sample_len();
        let samples = packing.samples_of(batch.samples, chunk);
        let mut rows = vec![0; samples.len() * len];
        let (mut scratch, mut other) = (Scratch::default(), Vec::new());
        for (&sample, row) in samples.iter().zip(rows.chunks_exact_mut(len)) {
            if let Err(error) = self.write(column, sample, &mut scratch, &mut other, row) {
                column.fail(error);
            }
        }
        let row_of = |sample: u32| {
            let at =
                samples.iter().position(|&other| other == sample).expect("the rows are those of the chunk's samples");
            &rows[at * len..][..len]
        };
        packing.pack_chunk(Batch { after: &[], ..batch }, row_of, &Words::new(), chunk, words);
    }

    /// Writes the words of a sample; `other` is memory for that with which it is mixed.
    fn write(
        &self,
        column: &Column,
        sample: u32,
        scratch: &mut Scratch,
        other: &mut Vec<u32>,
        out: &mut [u32],
    ) -> Result<(), TrainError> {
        self.write_unmixed(column, sample, scratch, out)?;
        if let Some((mixup, samples)) = self.mixup {
            let (partner, share) = mixup.partner(self.at, sample, samples);
            other.resize(out.len(), 0);
            self.write_unmixed(column, partner, scratch, other)?;
            mix(out, other, share);
        }
        Ok(())
    }

    fn write_unmixed(
        &self,
        column: &Column,
        sample: u32,
        scratch: &mut Scratch,
        out: &mut [u32],
    ) -> Result<(), TrainError> {
        let (first, store) = column.part(sample as usize);
        let source = store.source(sample as usize - first, column.sample_len())?;
        match &column.plan {
            Some(plan) => plan.write(&source, self.at, sample, scratch, out),
            None => source.write(out),
        }
        Ok(())
    }
}

impl Store {
    /// Whether elements are bytes of which packing makes what the network has.
    fn holds_bytes(&self) -> bool {
        match self {
            Store::Bytes { .. } => true,
            Store::Words(_) => false,
            Store::OneByOne { rows, .. } => rows.holds_bytes(),
        }
    }

    /// One sample of floating-point numbers.
    fn source(&self, sample: usize, len: usize) -> Result<Source<'_>, TrainError> {
        let range = sample * len..(sample + 1) * len;
        Ok(match self {
            Store::Bytes { bytes, pairs } => {
                let pairs = pairs.as_ref().expect("integers are not augmented");
                Source::Bytes(Cow::Borrowed(&bytes[range]), pairs)
            }
            Store::Words(words) => Source::Words(Cow::Borrowed(&words[range])),
            Store::OneByOne { rows, pairs, affine, .. } => match rows.read(sample)? {
                Values::U8(bytes) => Source::Bytes(Cow::Owned(bytes), pairs),
                values => Source::Words(Cow::Owned(words_of_row(values, affine, rows, sample)?)),
            },
        })
    }
}
