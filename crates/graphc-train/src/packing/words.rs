//! Sixteen words of each of sixteen samples: a square to be transposed, each column of which becomes a plane.
//!
//! With AVX2 it is four squares of 8 x 8, each transposed in registers: in pairs of words, then of pairs, then of
//! halves.

use super::convert::{Blocks, Convert};
use graphc_driver::hint;
use graphc_ir::scalar::CHUNK;

/// Words, as they are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Words {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
}

impl Words {
    /// The fastest way on this processor.
    pub(crate) fn new() -> Words {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            return Words::Avx2(simd);
        }
        Words::Portable
    }
}

impl Convert<u32> for Words {
    fn word(&self, value: u32, _: usize) -> u32 {
        value
    }

    fn write(&self, rows: Blocks<'_, u32>, next: [&[u32]; CHUNK], planes: &[usize], _: usize, chunk: &mut [u32]) {
        match self {
            Words::Portable => portable(rows, next, planes, chunk),
            #[cfg(target_arch = "x86_64")]
            Words::Avx2(simd) => {
                pulp::Simd::vectorize(*simd, avx2::Write { simd: *simd, rows, next, planes, chunk });
            }
        }
    }
}

/// Asks for the words of the square of that number, a line of each row.
#[inline(always)]
fn prefetch(rows: &[&[u32]; CHUNK], number: usize) {
    for row in rows {
        if let Some(word) = row.get(number * CHUNK) {
            hint::prefetch(word);
        }
    }
}

fn plane(chunk: &mut [u32], start: usize) -> &mut [u32; CHUNK] {
    chunk[start..].first_chunk_mut().expect("a plane lies in its chunk")
}

fn portable(rows: Blocks<'_, u32>, next: [&[u32]; CHUNK], planes: &[usize], chunk: &mut [u32]) {
    for (number, planes) in planes.chunks(CHUNK).enumerate() {
        prefetch(&next, number);
        for (column, &start) in planes.iter().enumerate() {
            for (word, row) in plane(chunk, start).iter_mut().zip(rows) {
                *word = row[number][column];
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Blocks, CHUNK, plane, prefetch};
    use pulp::x86::V3;
    use pulp::{NullaryFnOnce, cast};
    use std::arch::x86_64::__m256;

    /// Words of a register.
    const LANES: usize = 8;

    /// The arguments of [`portable`](super::portable).
    pub(super) struct Write<'a> {
        pub(super) simd: V3,
        pub(super) rows: Blocks<'a, u32>,
        pub(super) next: [&'a [u32]; CHUNK],
        pub(super) planes: &'a [usize],
        pub(super) chunk: &'a mut [u32],
    }

    impl NullaryFnOnce for Write<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let Write { simd, rows, next, planes, chunk } = self;
            for (number, planes) in planes.chunks(CHUNK).enumerate() {
                prefetch(&next, number);
                for (half, planes) in planes.chunks(LANES).enumerate() {
                    let mut columns = [[simd.avx._mm256_setzero_ps(); LANES]; CHUNK / LANES];
                    for (columns, rows) in columns.iter_mut().zip(rows.as_chunks::<LANES>().0) {
                        for (words, row) in columns.iter_mut().zip(rows) {
                            *words = cast(row[number].as_chunks::<LANES>().0[half]);
                        }
                        *columns = transposed(simd, *columns);
                    }
                    for (column, &start) in planes.iter().enumerate() {
                        *plane(chunk, start) = cast([columns[0][column], columns[1][column]]);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn transposed(simd: V3, rows: [__m256; LANES]) -> [__m256; LANES] {
        let avx = simd.avx;
        let mut pairs = rows;
        for pair in 0..LANES / 2 {
            let (a, b) = (rows[2 * pair], rows[2 * pair + 1]);
            pairs[2 * pair] = avx._mm256_unpacklo_ps(a, b);
            pairs[2 * pair + 1] = avx._mm256_unpackhi_ps(a, b);
        }
        // Columns of four rows, columns 0 and 4, 1 and 5, 2 and 6, 3 and 7 in one register.
        let mut fours = pairs;
        for four in 0..LANES / 4 {
            for side in 0..2 {
                let (a, b) = (pairs[4 * four + side], pairs[4 * four + 2 + side]);
                fours[4 * four + 2 * side] = avx._mm256_shuffle_ps::<0b01_00_01_00>(a, b);
                fours[4 * four + 2 * side + 1] = avx._mm256_shuffle_ps::<0b11_10_11_10>(a, b);
            }
        }
        let mut columns = fours;
        for column in 0..LANES / 2 {
            let (a, b) = (fours[column], fours[column + LANES / 2]);
            columns[column] = avx._mm256_permute2f128_ps::<0x20>(a, b);
            columns[column + LANES / 2] = avx._mm256_permute2f128_ps::<0x31>(a, b);
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::array::from_fn;

    #[test]
    fn all_writers_write_the_same() {
        let word = |sample: usize, at: usize| ((sample * 1000 + at) as u32).wrapping_mul(0x0101_0101);
        let rows: [[[u32; CHUNK]; 3]; CHUNK] =
            from_fn(|sample| from_fn(|number| from_fn(|column| word(sample, number * CHUNK + column))));
        // The last square has columns without a plane.
        for n_planes in [3 * CHUNK, 3 * CHUNK - 5, 3 * CHUNK - 11] {
            let planes: Vec<usize> = (0..n_planes).map(|at| (at * 11 % (3 * CHUNK)) * CHUNK).collect();
            let mut expected = vec![9; 3 * CHUNK * CHUNK];
            for (at, &start) in planes.iter().enumerate() {
                (0..CHUNK).for_each(|sample| expected[start + sample] = word(sample, at));
            }
            for writer in [Words::Portable, Words::new()] {
                let mut found = vec![9; 3 * CHUNK * CHUNK];
                let rows = rows.each_ref().map(<[_; 3]>::as_slice);
                writer.write(rows, [&[7; 20]; CHUNK], &planes, 0, &mut found);
                assert_eq!(found, expected, "{writer:?}");
            }
        }
    }
}
