//! Samples to the words of an input: gathered, converted and put into the input's layout in one pass.
//!
//! A buffer holds chunks of 16 samples, for every element of a sample a plane of 16 words, one of each sample
//! ([`Layout`]). So 16 elements of 16 samples are a square to be transposed, and then 16 planes to be converted and
//! written, each as a whole. Every element is read once and every word written once, whatever the order of the planes.
//!
//! Elements are bytes, which are converted on the way ([`Bytes`]), or words already ([`Words`]).

mod conversion;
mod convert;
mod square;
mod words;

pub(crate) use conversion::{Conversion, Pairs};
pub(crate) use convert::Convert;

use convert::Blocks;
use graphc_driver::hint;
use graphc_ir::loops::Layout;
use graphc_ir::scalar::CHUNK;
use graphc_ir::tensor::for_each_index;
use square::Writer;
use std::ops::Range;
pub(crate) use words::Words;

/// Where the elements of a sample go in a buffer whose first dimension is the batch.
#[derive(Clone, Debug)]
pub(crate) struct Packing {
    n_samples: usize,
    n_words: usize,
    /// First word of each element, or of its plane in a chunk, in row-major order of the elements.
    places: Vec<usize>,
    arrangement: Arrangement,
}

/// Numbers of the samples of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) samples: &'a [u32],
    /// Those of the batch after it, if they are known: they are asked for meanwhile.
    pub(crate) after: &'a [u32],
}

/// Bytes, converted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes<'a> {
    conversion: Conversion<'a>,
    writer: Writer,
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(conversion: Conversion<'a>) -> Bytes<'a> {
        Bytes { conversion, writer: Writer::new() }
    }
}

impl Convert<u8> for Bytes<'_> {
    fn word(&self, value: u8, element: usize) -> u32 {
        self.conversion.word(value, element)
    }

    fn write(&self, rows: Blocks<'_, u8>, next: [&[u8]; CHUNK], planes: &[usize], first: usize, chunk: &mut [u32]) {
        let conversion = self.conversion.part(first..first + planes.len());
        self.writer.write(rows, next, planes, conversion, chunk);
    }
}

#[derive(Clone, Debug)]
enum Arrangement {
    /// Samples are innermost, in chunks; `gaps` are words of a chunk that belong to no plane.
    Chunks { gaps: Vec<Range<usize>>, stride: usize },
    /// Samples are outermost, as networks for few of them have it.
    Rows { stride: usize },
}

impl Packing {
    /// Of a buffer of that layout; nothing if the batch is another dimension than the first.
    pub(crate) fn new(layout: &Layout) -> Option<Packing> {
        let (&n_samples, sizes) = layout.shape.split_first()?;
        let strides = &layout.strides[1..];
        let mut places = Vec::new();
        for_each_index(sizes, |index| {
            places.push(index.iter().zip(strides).map(|(i, stride)| i * stride).sum());
        });
        let arrangement = match layout.batch_axis {
            Some(0) => {
                let stride = layout.chunk_stride;
                Arrangement::Chunks { gaps: gaps(&places, stride), stride }
            }
            Some(_) => return None,
            None => Arrangement::Rows { stride: layout.strides[0] },
        };
        Some(Packing { n_samples, n_words: layout.len(), places, arrangement })
    }

    /// Elements of a sample.
    pub(crate) fn sample_len(&self) -> usize {
        self.places.len()
    }

    /// Words of the buffer.
    pub(crate) fn n_words(&self) -> usize {
        self.n_words
    }

    /// Words of a chunk of samples; of the buffer if samples are outermost.
    pub(crate) fn chunk_len(&self) -> usize {
        match self.arrangement {
            Arrangement::Chunks { stride, .. } => stride.max(1),
            Arrangement::Rows { .. } => self.n_words.max(1),
        }
    }

    /// The samples of a batch that stand in the chunk of that number.
    pub(crate) fn samples_of<'s>(&self, samples: &'s [u32], chunk: usize) -> &'s [u32] {
        match self.arrangement {
            Arrangement::Chunks { .. } => samples.chunks(CHUNK).nth(chunk).unwrap_or_default(),
            Arrangement::Rows { .. } => samples,
        }
    }

    /// Writes all words of chunk number `chunk` of a buffer for those samples. Lanes without a sample become zero.
    ///
    /// # Panics
    /// If there are more or fewer samples or words, or a sample has another length.
    pub(crate) fn pack_chunk<'a, 's, T: Copy + Default + Into<u64> + 'a>(
        &self,
        Batch { samples, after }: Batch<'s>,
        row_of: impl Fn(u32) -> &'a [T],
        convert: &impl Convert<T>,
        chunk: usize,
        words: &mut [u32],
    ) {
        assert_eq!((samples.len(), words.len()), (self.n_samples, self.chunk_len()), "samples, and words of the chunk");
        let row_of = |sample: u32| {
            let row = row_of(sample);
            assert_eq!(row.len(), self.sample_len(), "elements of a sample");
            row
        };
        match &self.arrangement {
            Arrangement::Chunks { gaps, .. } => {
                let of_chunk = |samples: &'s [u32]| samples.chunks(CHUNK).nth(chunk);
                let samples = of_chunk(samples).expect("as many chunks as the samples fill");
                let after = of_chunk(after).unwrap_or_default();
                // The first sample stands for those that the last chunk has not.
                let (mut rows, mut next): ([&[T]; CHUNK], [&[T]; CHUNK]) = ([row_of(samples[0]); CHUNK], [&[]; CHUNK]);
                rows.iter_mut().zip(samples).for_each(|(row, &sample)| *row = row_of(sample));
                next.iter_mut().zip(after).for_each(|(row, &sample)| *row = row_of(sample));
                fetch(&rows[..samples.len()]);
                self.pack_rows(rows, next, convert, words);
                if samples.len() < CHUNK {
                    self.places.iter().for_each(|&start| words[start..][samples.len()..CHUNK].fill(0));
                }
                gaps.iter().for_each(|gap| words[gap.clone()].fill(0));
            }
            Arrangement::Rows { stride } => {
                words.fill(0);
                for (number, &sample) in samples.iter().enumerate() {
                    for (element, (place, &value)) in self.places.iter().zip(row_of(sample)).enumerate() {
                        words[number * stride + place] = convert.word(value, element);
                    }
                }
            }
        }
    }

    /// Packs the rows of a chunk and asks for those of the `next` one to be packed.
    fn pack_rows<T: Copy + Default>(
        &self,
        rows: [&[T]; CHUNK],
        next: [&[T]; CHUNK],
        convert: &impl Convert<T>,
        chunk: &mut [u32],
    ) {
        let (blocks, rest) = self.places.as_chunks::<CHUNK>();
        convert.write(rows.map(|row| row.as_chunks().0), next, blocks.as_flattened(), 0, chunk);
        if !rest.is_empty() {
            let first = self.places.len() - rest.len();
            let last = rows.map(|row| {
                let mut values = [[T::default(); CHUNK]];
                values[0][..rest.len()].copy_from_slice(&row[first..]);
                values
            });
            // Few elements have no whole square that asks.
            let next = if blocks.is_empty() { next } else { [[].as_slice(); CHUNK] };
            convert.write(last.each_ref().map(<[_; 1]>::as_slice), next, rest, first, chunk);
        }
    }
}

/// Reads an element of every line of the rows, which do not depend on each other, so that many are on their way from
/// memory at once. What follows goes through all rows side by side and would wait for a few lines at a time.
fn fetch<T: Copy + Into<u64>>(rows: &[&[T]]) {
    let of_line = (hint::LINE / size_of::<T>()).max(1);
    // Plain loops: the closures of an iterator through all rows are called, not inlined.
    let mut all = 0;
    for row in rows {
        for element in row.iter().step_by(of_line) {
            all ^= (*element).into();
        }
        if let Some(&last) = row.last() {
            all ^= last.into();
        }
    }
    std::hint::black_box(all);
}

/// What the planes leave of a chunk.
fn gaps(planes: &[usize], chunk_stride: usize) -> Vec<Range<usize>> {
    let mut starts = planes.to_vec();
    starts.sort_unstable();
    starts.push(chunk_stride);
    let mut end = 0;
    let mut gaps = Vec::new();
    for start in starts {
        if start > end {
            gaps.push(end..start);
        }
        end = start + CHUNK;
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sizes: &[usize], scale: f32) {
        check_layout(&Layout::new(sizes, Some(0)), scale);
        check_layout(&Layout::new(sizes, None), scale);
        check_layout(&Layout::rows(sizes, 8), scale);
    }

    fn check_layout(layout: &Layout, scale: f32) {
        let sample_len: usize = layout.shape[1..].iter().product();
        let data: Vec<u8> = (0..100 * sample_len).map(|i| (i * 37 % 251) as u8).collect();
        let pairs: Vec<[f32; 2]> = (0..sample_len).map(|i| [scale + i as f32, [-0.0, 0.5, -3.0][i % 3]]).collect();
        for conversion in [Conversion::Alike([scale, 0.5]), Conversion::Each(&pairs), Conversion::Integer] {
            check_rows(layout, &data, &Bytes::new(conversion));
        }
        let data: Vec<u32> = data.iter().map(|&byte| u32::from(byte) << 20).collect();
        check_rows(layout, &data, &Words::new());
    }

    fn check_rows<T: Copy + Default + Into<u64>>(layout: &Layout, data: &[T], convert: &impl Convert<T>) {
        let sizes = &layout.shape;
        let sample_len: usize = sizes[1..].iter().product();
        let samples: Vec<u32> = (0..sizes[0]).map(|i| (i * 61 % 100) as u32).collect();
        let row_of = |sample: u32| &data[sample as usize * sample_len..][..sample_len];
        let words_of = |&sample: &u32| row_of(sample).iter().enumerate().map(|(i, &value)| convert.word(value, i));
        let tensor: Vec<u32> = samples.iter().flat_map(words_of).collect();
        let mut expected = vec![0; layout.len()];
        layout.pack(&tensor, &mut expected);
        let packing = Packing::new(layout).unwrap();
        assert_eq!((packing.n_words(), packing.sample_len()), (layout.len(), sample_len));
        let mut found = vec![9; layout.len()];
        let chunks = found.chunks_mut(packing.chunk_len()).enumerate();
        let batch = Batch { samples: &samples, after: &samples[..sizes[0] / 2] };
        chunks.for_each(|(chunk, words)| packing.pack_chunk(batch, row_of, convert, chunk, words));
        assert_eq!(found, expected, "{sizes:?}");
    }

    /// The layout's own slow copy is the meaning.
    #[test]
    fn one_pass_equals_gathering_and_the_layout() {
        for n_samples in [1, 2, 15, 16, 17, 40, 64] {
            // Scalars, lengths around a block, several channels, and planes that the layout pads: 16 x 32 words.
            for shape in [&[][..], &[1], &[15], &[16], &[17], &[5, 7, 3], &[28, 28, 1], &[8, 4, 3], &[32]] {
                check(&[&[n_samples], shape].concat(), 1.0 / 255.0);
            }
        }
        check(&[3, 20], -0.5);
    }

    #[test]
    fn another_batch_axis_is_refused() {
        assert!(Packing::new(&Layout::new(&[4, 3], Some(1))).is_none());
        assert!(Packing::new(&Layout::new(&[], None)).is_none());
    }

    #[test]
    #[should_panic(expected = "elements of a sample")]
    fn a_sample_of_another_length() {
        let packing = Packing::new(&Layout::new(&[1, 3], Some(0))).unwrap();
        let batch = Batch { samples: &[0], after: &[] };
        packing.pack_chunk(batch, |_| &[1, 2], &Bytes::new(Conversion::Integer), 0, &mut [0; 48]);
    }
}
