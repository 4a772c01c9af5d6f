//! Strips: weight gradients of large images, a few rows at a time.
//!
//! A weight gradient `dw[r, s, c, k] = sum_{n, p, q} x[n, p + r, q + s, c] dy[n, p, q, k]` reads whole planes of a few
//! channels for every tap of the window. Where the planes do not stay in the nearest cache, each tap would fetch them anew, and
//! fetching is slower than multiplying. So the rows are cut into strips that do stay, and all taps of one window axis take
//! their share of a strip before the next strip comes. Each tap's accumulators wait in memory meanwhile; every one of them
//! still sums its terms in the order of the reduction, so that results are the same to the bit.

use crate::builder::Builder;
use crate::choices::Aspect;
use crate::contract::Nest;
use crate::factor::Factor;
use crate::walk::Walk;
use graphc_ir::form::PointForm;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, BufId, LoopKind};
use graphc_ir::scalar::{CHUNK, LANES};

/// Words that stay in the nearest cache beside what else passes through it: 28 of 32 KiB.
const NEAREST_WORDS: usize = 7 << 10;

/// Multiply-adds in a chain below which loading and storing the accumulators would cost more than it saves.
const FEWEST_STEPS: usize = 48;

/// Operands of a step of a large tile.
const MOST_OPERANDS: usize = 12;

/// Most accumulators of a tile.
const MOST_CELLS: usize = 32;

/// How the rows of a contraction over the batch are cut.
#[derive(Clone, Debug)]
pub(crate) struct Strips {
    /// The output axis whose taps share a strip.
    pub(crate) axis: usize,
    extent: usize,
    /// The reduction over rows.
    pub(crate) rows: Var,
    rows_per_strip: usize,
    n_strips: usize,
    /// Where accumulators wait: `[shares][taps][cells][8]`.
    waiting: BufId,
    /// Which share of the accumulators' memory is this nest's.
    share: Affine,
}

/// Words of the accumulators of one share for an axis of that extent.
pub(crate) fn waiting_words(extent: usize) -> usize {
    extent * MOST_CELLS * LANES
}

/// Extent of the largest window axis of a contraction whose planes are large enough to be cut.
pub(crate) fn largest_window(form: &PointForm) -> Option<usize> {
    let plane: usize = form.reds.iter().filter(|red| !red.is_batch).map(|red| red.extent).product();
    if plane * CHUNK * MOST_OPERANDS <= NEAREST_WORDS {
        return None;
    }
    (0..form.extents.len()).filter(|&axis| form.is_window(axis)).map(|axis| form.extents[axis]).max()
}

impl Strips {
    /// The strips that `nest` needs when its output coordinates are walked as `walks`; none if the planes stay in the cache or
    /// no axis shares them.
    pub(crate) fn of(nest: &Nest<'_>, walks: &[Walk], share: Affine) -> Option<Strips> {
        let waiting = nest.em.cx.buffers.waiting(nest.root)?;
        let (axis, extent) = walks.iter().rev().find_map(|walk| {
            let axis = walk.output_axis()?;
            let is_free = walk.is_whole() && walk.block == 1 && walk.extent > 1;
            (is_free && nest.form.is_window(axis)).then_some((axis, walk.extent))
        })?;
        let [_, rows, columns @ ..] = nest.form.reds.as_slice() else { return None };
        let row_words = CHUNK * columns.iter().map(|red| red.extent).product::<usize>();
        let operands = |factor: Factor| {
            let blocks = walks.iter().filter(|walk| nest.moves(walk, factor)).map(|walk| walk.block);
            blocks.product::<usize>()
        };
        let words_per_row = (operands(Factor::A) + operands(Factor::B)) * row_words;
        let most_rows = (NEAREST_WORDS / words_per_row).clamp(1, rows.extent);
        let by_cost = rows.extent.div_ceil(most_rows);
        let n_steps = rows.extent.div_ceil(by_cost) * row_words / LANES;
        let by_cost = (words_per_row * rows.extent > NEAREST_WORDS && n_steps >= FEWEST_STEPS).then_some(by_cost);
        let n_strips = nest.pick(Aspect::Strips, options(by_cost, rows.extent))?;
        let rows_per_strip = rows.extent.div_ceil(n_strips);
        // Rounding up may leave none for the last ones.
        let n_strips = rows.extent.div_ceil(rows_per_strip);
        Some(Strips { axis, extent, rows: rows.var, rows_per_strip, n_strips, waiting, share })
    }

    /// Bounds of the rows of strip number `strip`.
    pub(crate) fn bounds(&self, strip: Var) -> (Affine, Affine) {
        let low = Affine::var(strip).times(self.rows_per_strip as i64);
        let high = low.plus_constant(self.rows_per_strip as i64);
        (low, high)
    }

    fn word(&self, vector: &Affine, lane: Var) -> Access {
        let first = self.share.times(waiting_words(self.extent) as i64);
        let index = first.add_scaled(vector, LANES as i64).plus(&Affine::var(lane));
        Access { buffer: self.waiting, index }
    }
}

impl Nest<'_> {
    /// All taps of the strips' axis, strip by strip, for the block of the other output coordinates at hand.
    pub(crate) fn strips(&mut self, b: &mut Builder, strips: &Strips, lane: Var) {
        let n_cells: usize = self.grid.iter().map(|&(_, extent)| extent).product();
        b.for_extent(strips.extent * n_cells, LoopKind::Serial, |b, vector| {
            let zero = b.f32(0.0);
            b.store(strips.word(&Affine::var(vector), lane), zero);
        });
        let chunk = b.var();
        let chunks = self.chunks_of_group(chunk);
        b.for_range(chunks, LoopKind::Serial, |b| {
            b.for_extent(strips.n_strips, LoopKind::Serial, |b, strip| {
                self.em.ranges.insert(strip, (0, strips.n_strips as i64 - 1));
                self.each_tap(b, strips, |nest, b, tap| {
                    let cells = nest.grid.iter().map(|&(var, extent)| (Affine::var(var), extent)).collect::<Vec<_>>();
                    let at = strips.word(&vector_of(tap, &cells), lane);
                    nest.continued_tile(b, chunk, (strips, strip), at);
                });
            });
        });
        let grid = self.grid.clone();
        self.each_tap(b, strips, |nest, b, tap| {
            nest.each_cell(b, &grid, &mut Vec::new(), &mut |nest, b, cells| {
                let acc = b.load(strips.word(&vector_of(tap, cells), lane));
                nest.epilogue(b, acc);
            })
        });
    }

    /// A loop over the taps.
    fn each_tap(&mut self, b: &mut Builder, strips: &Strips, mut f: impl FnMut(&mut Self, &mut Builder, Var)) {
        b.for_extent(strips.extent, LoopKind::Serial, |b, tap| {
            self.em.ranges.insert(tap, (0, strips.extent as i64 - 1));
            self.em.bind(Var(strips.axis as u32), Affine::var(tap));
            self.em.open_scope();
            f(self, b, tap);
            self.em.close_scope();
        });
    }

    /// Loops over the cells of the register grid, with loop variables in place of the grid's.
    fn each_cell(
        &mut self,
        b: &mut Builder,
        grid: &[(Var, usize)],
        cells: &mut Vec<(Affine, usize)>,
        f: &mut EachCell<'_, Self>,
    ) {
        let Some((&(var, extent), rest)) = grid.split_first() else {
            self.em.open_scope();
            f(self, b, cells);
            self.em.close_scope();
            return;
        };
        b.for_extent(extent, LoopKind::Serial, |b, cell| {
            self.em.ranges.insert(cell, (0, extent as i64 - 1));
            let before = self.em.vars.clone();
            let replace = |found: Var| Affine::var(if found == var { cell } else { found });
            self.em.vars.values_mut().for_each(|index| *index = index.substitute(&replace));
            cells.push((Affine::var(cell), extent));
            self.each_cell(b, rest, cells, f);
            cells.pop();
            self.em.vars = before;
        });
    }
}

/// Numbers of strips to choose from, in words; none is whole planes.
fn options(by_cost: Option<usize>, n_rows: usize) -> Vec<(Option<usize>, String)> {
    let others = match by_cost {
        None => [Some(2), Some(4), Some(8)],
        Some(n) => [None, Some(2 * n), Some(n / 2)],
    };
    let others = others.into_iter().filter(|n| n.is_none_or(|n| (2..=n_rows).contains(&n)));
    let options = [by_cost].into_iter().chain(others);
    options.map(|n| (n, n.map_or("whole planes".to_string(), |n| format!("{n} strips")))).collect()
}

/// Is called for every cell of the register grid, with its coordinates and their extents.
type EachCell<'f, N> = dyn FnMut(&mut N, &mut Builder, &[(Affine, usize)]) + 'f;

/// Number of an accumulator of a tap.
fn vector_of(tap: Var, cells: &[(Affine, usize)]) -> Affine {
    cells.iter().fold(Affine::var(tap), |number, (cell, extent)| number.times(*extent as i64).plus(cell))
}
