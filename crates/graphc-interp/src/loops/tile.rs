//! Executes tiles: where nearly all the arithmetic of a step is.
//!
//! All accumulators are finished before the first epilogue runs, as the semantics say. Which accumulator is worked on
//! first does not matter, so each chain of fused multiply-adds runs from start to end in a register. The corners of the
//! iteration space decide whether every access is in bounds, so nothing is checked inside.

use super::compile::{Factor, TileCode};
use super::execute::{Machine, Run};
use graphc_ir::loops::Runs;
use graphc_ir::scalar::flushed::{add, fma_lanes, fma_lanes_fused};
use graphc_ir::scalar::{LANES, join_lanes};
use graphc_ir::vectors::with_vectors;

/// The words of both factors, where each run of the innermost reduction starts, its extent, and the words each factor
/// moves per step.
struct Chain<'a> {
    words: [&'a [u32]; 2],
    starts: &'a [(i64, i64)],
    extent: i64,
    steps: [i64; 2],
}

impl Machine<'_> {
    pub(super) fn tile<const W: usize>(&mut self, tile: &TileCode) -> Run<()> {
        let mut accs = Vec::with_capacity(tile.a.cells.len());
        for cell in 0..tile.a.cells.len() {
            self.set_cell(tile, cell);
            accs.push(match &tile.init {
                None => [0.0; LANES],
                Some(place) => self.load::<W>(place)?.map(f32::from_bits),
            });
        }
        if !accs.is_empty() {
            let bounds: Vec<(i64, i64)> = tile.reds.iter().map(|extent| extent.eval(&self.vars)).collect();
            match tile.runs {
                None => self.accumulate::<W>(tile, &bounds, &mut accs)?,
                Some(runs) => accs = self.runs::<W>(tile, bounds, runs)?,
            }
        }
        for (cell, acc) in accs.into_iter().enumerate() {
            self.set_cell(tile, cell);
            self.regs[tile.acc] = acc.map(f32::to_bits);
            self.block::<W>(&tile.epilogue)?;
        }
        Ok(())
    }

    fn set_cell(&mut self, tile: &TileCode, mut cell: usize) {
        for &(slot, extent) in tile.grid.iter().rev() {
            self.vars[slot] = cell as i64 % extent;
            cell /= extent as usize;
        }
    }

    /// The sums of runs of the outermost reduction, joined.
    fn runs<const W: usize>(&mut self, tile: &TileCode, bounds: Vec<(i64, i64)>, runs: Runs) -> Run<Sums> {
        let (low, high) = bounds[0];
        let mut sums = Vec::new();
        for start in (low..high).step_by(runs.length) {
            let mut bounds = bounds.clone();
            bounds[0] = (start, high.min(start.saturating_add(runs.length as i64)));
            let mut accs = vec![[0.0; LANES]; tile.a.cells.len()];
            self.accumulate::<W>(tile, &bounds, &mut accs)?;
            if runs.joins_lanes {
                accs.iter_mut().for_each(|acc| *acc = [join_lanes(*acc, add); LANES]);
            }
            sums.push(accs);
        }
        Ok(tree(sums).unwrap_or_else(|| vec![[0.0; LANES]; tile.a.cells.len()]))
    }

    fn accumulate<const W: usize>(
        &mut self,
        tile: &TileCode,
        bounds: &[(i64, i64)],
        accs: &mut [[f32; LANES]],
    ) -> Run<()> {
        if bounds.iter().any(|&(low, high)| low >= high) {
            return Ok(());
        }
        let a = self.first_index::<W>(&tile.a, bounds)?;
        let b = self.first_index::<W>(&tile.b, bounds)?;
        self.find_starts(tile, bounds);
        let (a, b) = (a + tile.a.place.base as i64, b + tile.b.place.base as i64);
        let inner = bounds.len().checked_sub(1);
        let chain = Chain {
            words: [&tile.a, &tile.b].map(|factor| self.words(&factor.place)),
            starts: &self.steps,
            extent: inner.map_or(1, |inner| bounds[inner].1 - bounds[inner].0),
            steps: [&tile.a, &tile.b].map(|factor| inner.map_or(0, |inner| factor.reds[inner])),
        };
        with_vectors(
            #[inline(always)]
            || match self.has_fma {
                true => chain.cells::<W, InHardware>(tile, [a, b], accs),
                false => chain.cells::<W, InDoubles>(tile, [a, b], accs),
            },
        );
        Ok(())
    }

    /// Index at the start of every reduction, for grid cell and lane offset 0, after checking that all corners are
    /// inside the buffer.
    fn first_index<const W: usize>(&self, factor: &Factor, bounds: &[(i64, i64)]) -> Run<i64> {
        let mut first = i128::from(factor.place.index.first.eval(&self.vars));
        let (mut below, mut above) = (0i128, 0i128);
        let mut extend = |low: i128, high: i128| {
            below += low.min(high);
            above += low.max(high);
        };
        for (&coefficient, &(low, high)) in factor.reds.iter().zip(bounds) {
            first += i128::from(coefficient) * i128::from(low);
            extend(0, i128::from(coefficient) * (i128::from(high) - 1 - i128::from(low)));
        }
        if W > 1 {
            extend(0, i128::from(factor.stride) * (LANES as i128 - 1));
        }
        let (min, max) = (factor.cells.iter().min(), factor.cells.iter().max());
        extend(i128::from(*min.expect("the grid is not empty")), i128::from(*max.expect("the grid is not empty")));
        for corner in [first + below, first + above] {
            self.check(&factor.place, i64::try_from(corner).unwrap_or(i64::MAX))?;
        }
        Ok(first as i64)
    }

    /// Fills `self.steps` with where each run of the innermost reduction starts.
    fn find_starts(&mut self, tile: &TileCode, bounds: &[(i64, i64)]) {
        self.steps.clear();
        self.steps.push((0, 0));
        for red in (0..bounds.len().saturating_sub(1)).rev() {
            // Outer reductions repeat the starts found so far, in order.
            let n = self.steps.len();
            for i in 1..bounds[red].1 - bounds[red].0 {
                for start in 0..n {
                    let (a, b) = self.steps[start];
                    self.steps.push((a + i * tile.a.reds[red], b + i * tile.b.reds[red]));
                }
            }
        }
    }
}

/// Sums of all cells.
type Sums = Vec<[f32; LANES]>;

/// Neighbours added in pairs, then the pairs, until one is left.
fn tree(mut sums: Vec<Sums>) -> Option<Sums> {
    while sums.len() > 1 {
        let mut pairs = Vec::with_capacity(sums.len().div_ceil(2));
        let mut all = sums.into_iter();
        while let Some(mut left) = all.next() {
            if let Some(right) = all.next() {
                let cells = left.iter_mut().zip(right);
                cells.for_each(|(left, right)| *left = std::array::from_fn(|lane| add(left[lane], right[lane])));
            }
            pairs.push(left);
        }
        sums = pairs;
    }
    sums.pop()
}

/// How fused multiply-adds are computed; the bits are the same.
trait FusedMultiplyAdd {
    fn lanes<const W: usize>(a: [f32; W], b: [f32; W], c: [f32; W]) -> [f32; W];
}

struct InHardware;

impl FusedMultiplyAdd for InHardware {
    #[inline(always)]
    fn lanes<const W: usize>(a: [f32; W], b: [f32; W], c: [f32; W]) -> [f32; W] {
        fma_lanes_fused(a, b, c)
    }
}

struct InDoubles;

impl FusedMultiplyAdd for InDoubles {
    #[inline(always)]
    fn lanes<const W: usize>(a: [f32; W], b: [f32; W], c: [f32; W]) -> [f32; W] {
        fma_lanes(a, b, c)
    }
}

/// How a factor is read at a word.
trait Operand: Copy {
    fn read<const W: usize>(self, words: &[u32], at: usize) -> [f32; W];
}

/// The same word in every lane.
#[derive(Clone, Copy)]
struct Splat;

/// Consecutive words.
#[derive(Clone, Copy)]
struct Unit;

/// Words at a distance.
#[derive(Clone, Copy)]
struct Strided(i64);

impl Operand for Splat {
    #[inline(always)]
    fn read<const W: usize>(self, words: &[u32], at: usize) -> [f32; W] {
        [f32::from_bits(words[at]); W]
    }
}

impl Operand for Unit {
    #[inline(always)]
    fn read<const W: usize>(self, words: &[u32], at: usize) -> [f32; W] {
        let words: &[u32; W] = words[at..at + W].try_into().expect("the slice has so many words");
        words.map(f32::from_bits)
    }
}

impl Operand for Strided {
    #[inline(always)]
    fn read<const W: usize>(self, words: &[u32], at: usize) -> [f32; W] {
        std::array::from_fn(|lane| f32::from_bits(words[at.wrapping_add_signed(self.0 as isize * lane as isize)]))
    }
}

impl Chain<'_> {
    /// The sums of all cells; `first` is where the factors of the first cell start.
    #[inline(always)]
    fn cells<const W: usize, F: FusedMultiplyAdd>(&self, tile: &TileCode, first: [i64; 2], accs: &mut [[f32; LANES]]) {
        for (cell, acc) in accs.iter_mut().enumerate() {
            let at = [first[0] + tile.a.cells[cell], first[1] + tile.b.cells[cell]];
            *acc = if W == 1 {
                [self.sum::<1, F>(at, Splat, Splat, [acc[0]])[0]; LANES]
            } else {
                match (tile.a.stride, tile.b.stride) {
                    (0, 0) => self.sum::<LANES, F>(at, Splat, Splat, *acc),
                    (0, 1) => self.sum::<LANES, F>(at, Splat, Unit, *acc),
                    (1, 0) => self.sum::<LANES, F>(at, Unit, Splat, *acc),
                    (1, 1) => self.sum::<LANES, F>(at, Unit, Unit, *acc),
                    (s, t) => self.sum::<LANES, F>(at, Strided(s), Strided(t), *acc),
                }
            };
        }
    }

    /// One chain of fused multiply-adds in the order of the reductions.
    #[inline(always)]
    fn sum<const W: usize, F: FusedMultiplyAdd>(
        &self,
        first: [i64; 2],
        a: impl Operand,
        b: impl Operand,
        mut sum: [f32; W],
    ) -> [f32; W] {
        for &(a_start, b_start) in self.starts {
            let (mut a_at, mut b_at) = ((first[0] + a_start) as usize, (first[1] + b_start) as usize);
            for _ in 0..self.extent {
                sum = F::lanes(a.read(self.words[0], a_at), b.read(self.words[1], b_at), sum);
                a_at = a_at.wrapping_add_signed(self.steps[0] as isize);
                b_at = b_at.wrapping_add_signed(self.steps[1] as isize);
            }
        }
        sum
    }
}
