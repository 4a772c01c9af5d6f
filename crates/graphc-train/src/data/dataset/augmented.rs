//! Batches whose samples are changed at random, for training.

use crate::data::augment::{EpochKey, Mixup, Scratch, mix};
use crate::data::store::Column;
use crate::error::TrainError;
use crate::packing::{Batch, Packing, Words};

/// How the samples of an input are changed in one epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Augmenting<'a> {
    pub(super) at: EpochKey,
    /// With the samples that others are mixed with.
    pub(super) mixup: Option<(Mixup, &'a [u32])>,
}

impl Augmenting<'_> {
    /// As `Input::pack_chunk` of the data set.
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
    pub(super) fn write(
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
