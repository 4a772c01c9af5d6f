//! Sixteen bytes of each of sixteen samples: a square to be transposed, each column of which becomes a plane of words.
//!
//! Four times, rows `i` and `i + 8` are interleaved to rows `2i` and `2i + 1`. Each time the address of a byte, the
//! four bits of its row and the four of its column, is rotated by one bit; four times exchange row and column.
//!
//! What follows, 16 bytes to 16 words, is most of the work and done with AVX2 where there is such a processor: packing
//! takes two thirds of the time. Instructions are called by name, through a crate that makes that safe: of plain loops
//! rustc makes good code for all processors (`punpcklbw`, `cvtdq2ps` and `mulps`), but in a function compiled for AVX2
//! it does not, and that took three times as long.

use super::conversion::{Conversion, affine};
use graphc_driver::hint;
use graphc_ir::scalar::CHUNK;

type Square = [[u8; CHUNK]; CHUNK];

/// The bytes of 16 samples, 16 at a time.
pub(super) type Rows<'a> = [&'a [[u8; CHUNK]]; CHUNK];

/// The words of a sample's place in a plane, one for each of 16 samples.
type Plane = [u32; CHUNK];

/// Writes squares as planes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Writer {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
}

impl Writer {
    /// The fastest on this processor.
    pub(super) fn new() -> Writer {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            return Writer::Avx2(simd);
        }
        Writer::Portable
    }

    /// Writes planes, of which those are the first words: those of one square after the other, which are cut from the
    /// rows of 16 samples. Asks for the same bytes of `next` on the way, a few lines at a time: many at once would
    /// be waited for.
    pub(super) fn write(
        self,
        rows: Rows<'_>,
        next: [&[u8]; CHUNK],
        planes: &[usize],
        conversion: Conversion<'_>,
        chunk: &mut [u32],
    ) {
        match self {
            Writer::Portable => portable(rows, next, planes, conversion, chunk),
            #[cfg(target_arch = "x86_64")]
            Writer::Avx2(simd) => {
                pulp::Simd::vectorize(simd, avx2::Write { simd, rows, next, planes, conversion, chunk });
            }
        }
    }
}

fn plane(chunk: &mut [u32], start: usize) -> &mut Plane {
    chunk[start..].first_chunk_mut().expect("a plane lies in its chunk")
}

/// Asks for bytes of the square of that number, if a line begins there.
#[inline(always)]
fn prefetch(rows: &[&[u8]; CHUNK], number: usize) {
    if number.is_multiple_of(hint::LINE / CHUNK) {
        for row in rows {
            row.get(number * CHUNK).into_iter().for_each(hint::prefetch);
        }
    }
}

fn portable(rows: Rows<'_>, next: [&[u8]; CHUNK], planes: &[usize], conversion: Conversion<'_>, chunk: &mut [u32]) {
    for (number, planes) in planes.chunks(CHUNK).enumerate() {
        prefetch(&next, number);
        let square = rows.map(|row| row[number]);
        let columns = interleaved(&interleaved(&interleaved(&interleaved(&square))));
        for (column, (&start, bytes)) in planes.iter().zip(&columns).enumerate() {
            let words = plane(chunk, start).iter_mut().zip(bytes);
            match conversion {
                Conversion::Alike(pair) => words.for_each(|(word, &byte)| *word = affine(byte, pair)),
                Conversion::Each(pairs) => {
                    let pair = pairs[number * CHUNK + column];
                    words.for_each(|(word, &byte)| *word = affine(byte, pair));
                }
                Conversion::Integer => words.for_each(|(word, &byte)| *word = byte.into()),
            }
        }
    }
}

#[inline]
fn interleaved(square: &Square) -> Square {
    const HALF: usize = CHUNK / 2;
    let mut result = [[0; CHUNK]; CHUNK];
    for row in 0..HALF {
        for column in 0..HALF {
            result[2 * row][2 * column] = square[row][column];
            result[2 * row][2 * column + 1] = square[row + HALF][column];
            result[2 * row + 1][2 * column] = square[row][column + HALF];
            result[2 * row + 1][2 * column + 1] = square[row + HALF][column + HALF];
        }
    }
    result
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{CHUNK, Conversion, Rows, plane, prefetch};
    use pulp::x86::V3;
    use pulp::{NullaryFnOnce, cast};
    use std::arch::x86_64::{__m128i, __m256, __m256i};

    /// The arguments of [`portable`](super::portable).
    pub(super) struct Write<'a> {
        pub(super) simd: V3,
        pub(super) rows: Rows<'a>,
        pub(super) next: [&'a [u8]; CHUNK],
        pub(super) planes: &'a [usize],
        pub(super) conversion: Conversion<'a>,
        pub(super) chunk: &'a mut [u32],
    }

    impl NullaryFnOnce for Write<'_> {
        type Output = ();

        // What is the same for all planes is chosen out here: a choice within takes as long as the conversion.
        #[inline(always)]
        fn call(self) {
            let simd = self.simd;
            match self.conversion {
                Conversion::Alike([factor, offset]) => {
                    let (factor, offset) = (simd.avx._mm256_set1_ps(factor), simd.avx._mm256_set1_ps(offset));
                    self.planes(
                        #[inline(always)]
                        |words, _| affine(simd, words, factor, offset),
                    );
                }
                Conversion::Each(pairs) => self.planes(
                    #[inline(always)]
                    |words, element| {
                        let [factor, offset] = pairs[element];
                        affine(simd, words, simd.avx._mm256_set1_ps(factor), simd.avx._mm256_set1_ps(offset))
                    },
                ),
                Conversion::Integer => self.planes(
                    #[inline(always)]
                    |words, _| words,
                ),
            }
        }
    }

    impl Write<'_> {
        /// `convert` takes eight bytes as integers, and the number of their element.
        ///
        /// Plain loops, without `map` and `from_fn`: what those call is not always inlined, and is a call without AVX2
        /// then.
        #[inline(always)]
        fn planes(self, convert: impl Fn(__m256i, usize) -> __m256i) {
            let Write { simd, rows, next, planes, chunk, .. } = self;
            for (number, planes) in planes.chunks(CHUNK).enumerate() {
                prefetch(&next, number);
                let mut square = [simd.sse2._mm_setzero_si128(); CHUNK];
                for (bytes, row) in square.iter_mut().zip(rows) {
                    *bytes = cast(row[number]);
                }
                let columns = transposed(simd, square);
                for (column, (&start, bytes)) in planes.iter().zip(columns).enumerate() {
                    let last = simd.sse2._mm_unpackhi_epi64(bytes, bytes);
                    let element = number * CHUNK + column;
                    let low = convert(simd.avx2._mm256_cvtepu8_epi32(bytes), element);
                    let high = convert(simd.avx2._mm256_cvtepu8_epi32(last), element);
                    *plane(chunk, start) = cast([low, high]);
                }
            }
        }
    }

    #[inline(always)]
    fn transposed(simd: V3, mut rows: [__m128i; CHUNK]) -> [__m128i; CHUNK] {
        for _ in 0..4 {
            let before = rows;
            for row in 0..CHUNK / 2 {
                let (a, b) = (before[row], before[row + CHUNK / 2]);
                rows[2 * row] = simd.sse2._mm_unpacklo_epi8(a, b);
                rows[2 * row + 1] = simd.sse2._mm_unpackhi_epi8(a, b);
            }
        }
        rows
    }

    #[inline(always)]
    fn affine(simd: V3, words: __m256i, factor: __m256, offset: __m256) -> __m256i {
        let values = simd.avx._mm256_mul_ps(simd.avx._mm256_cvtepi32_ps(words), factor);
        simd.avx._mm256_castps_si256(simd.avx._mm256_add_ps(values, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::array::from_fn;

    #[test]
    fn all_writers_write_the_same() {
        let byte = |sample: usize, at: usize| (sample * 37 + at * 101) as u8;
        let rows: [[[u8; CHUNK]; 3]; CHUNK] =
            from_fn(|sample| from_fn(|number| from_fn(|column| byte(sample, number * CHUNK + column))));
        // The last square has columns without a plane.
        let planes: Vec<usize> = (0..3 * CHUNK - 5).map(|at| (at * 11 % (3 * CHUNK)) * CHUNK).collect();
        let pairs: Vec<[f32; 2]> = (0..planes.len()).map(|i| [i as f32 / 255.0 - 0.1, [-0.0, 1.5][i % 2]]).collect();
        for conversion in [Conversion::Alike([-0.7, 0.25]), Conversion::Each(&pairs), Conversion::Integer] {
            let mut expected = vec![9; 3 * CHUNK * CHUNK];
            for (at, &start) in planes.iter().enumerate() {
                (0..CHUNK).for_each(|sample| expected[start + sample] = conversion.word(byte(sample, at), at));
            }
            for writer in [Writer::Portable, Writer::new()] {
                let mut found = vec![9; 3 * CHUNK * CHUNK];
                writer.write(
                    rows.each_ref().map(<[_; 3]>::as_slice),
                    [&[7; 20]; CHUNK],
                    &planes,
                    conversion,
                    &mut found,
                );
                assert_eq!(found, expected, "{writer:?}, {conversion:?}");
            }
        }
    }
}
