//! Executes tiles: where nearly all the arithmetic of a step is.
//!
//! All accumulators are finished before the first epilogue runs, as the semantics say. Which accumulator is worked on
//! first does not matter, so each chain of fused multiply-adds runs from start to end in a register. The corners of the
//! iteration space decide whether every access is in bounds, so nothing is checked inside.

use super::compile::{Factor, TileCode};
use super::execute::{Machine, Run};
use graphc_ir::loops::Runs;
use graphc_ir::scalar::flushed::{add, fma_lanes};
use graphc_ir::scalar::{LANES, join_lanes};

/// Where each run of the innermost reduction starts, its extent, and the words each factor moves per step.
struct Chain<'a> {
    starts: &'a [(i64, i64)],
    extent: i64,
    a_step: i64,
    b_step: i64,
}

impl<'a> Chain<'a> {
    fn new(starts: &'a [(i64, i64)], tile: &TileCode, bounds: &[(i64, i64)]) -> Chain<'a> {
        match bounds.last() {
            None => Chain { starts, extent: 1, a_step: 0, b_step: 0 },
            Some((low, high)) => {
                let inner = bounds.len() - 1;
                Chain { starts, extent: high - low, a_step: tile.a.reds[inner], b_step: tile.b.reds[inner] }
            }
        }
    }
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
        let words = [&tile.a, &tile.b].map(|factor| self.words(&factor.place));
        let chain = Chain::new(&self.steps, tile, bounds);
        for (cell, acc) in accs.iter_mut().enumerate() {
            let (a, b) = (a + tile.a.cells[cell], b + tile.b.cells[cell]);
            if W == 1 {
                acc[0] = run_chain(words, (Splat, a), (Splat, b), &chain, [acc[0]])[0];
                *acc = [acc[0]; LANES];
                continue;
            }
            *acc = match (tile.a.stride, tile.b.stride) {
                (0, 0) => run_chain(words, (Splat, a), (Splat, b), &chain, *acc),
                (0, 1) => run_chain(words, (Splat, a), (Unit, b), &chain, *acc),
                (1, 0) => run_chain(words, (Unit, a), (Splat, b), &chain, *acc),
                (1, 1) => run_chain(words, (Unit, a), (Unit, b), &chain, *acc),
                (s, t) => run_chain(words, (Strided(s), a), (Strided(t), b), &chain, *acc),
            };
        }
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

/// How a factor is read at a word.
trait Operand: Copy {
    fn lane(self, lane: usize) -> i64;
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
    fn lane(self, _: usize) -> i64 {
        0
    }
}

impl Operand for Unit {
    fn lane(self, lane: usize) -> i64 {
        lane as i64
    }
}

impl Operand for Strided {
    fn lane(self, lane: usize) -> i64 {
        self.0 * lane as i64
    }
}

#[inline(always)]
fn read<const W: usize>(words: &[u32], operand: impl Operand, at: i64) -> [f32; W] {
    std::array::from_fn(|l| f32::from_bits(words[(at + operand.lane(l)) as usize]))
}

/// One chain of fused multiply-adds in the order of the reductions.
fn run_chain<const W: usize>(
    words: [&[u32]; 2],
    (a, a_first): (impl Operand, i64),
    (b, b_first): (impl Operand, i64),
    chain: &Chain<'_>,
    mut acc: [f32; W],
) -> [f32; W] {
    for &(a_start, b_start) in chain.starts {
        let (mut a_at, mut b_at) = (a_first + a_start, b_first + b_start);
        for _ in 0..chain.extent {
            let (x, y): ([f32; W], [f32; W]) = (read(words[0], a, a_at), read(words[1], b, b_at));
            acc = fma_lanes(x, y, acc);
            (a_at, b_at) = (a_at.wrapping_add(chain.a_step), b_at.wrapping_add(chain.b_step));
        }
    }
    acc
}
