//! Strips: weight gradients of large images, a few rows at a time.
//!
//! A weight gradient `dw[r, s, c, k] = sum_{n, p, q} x[n, p + r, q + s, c] dy[n, p, q, k]` reads whole planes of a
//! few channels for every tap of the window. Where the planes do not stay in the nearest cache, each tap would fetch
//! them anew, and fetching is slower than multiplying. So the rows are cut into strips that do stay, and all taps of
//! one window axis take their share of a strip before the next strip comes. Each tap's accumulators wait in memory
//! meanwhile. Where each multiply-add of a tile has operands of its own, as in a depthwise convolution, the taps of
//! both window axes do.

use crate::decide::axes::{Axes, Move};
use crate::decide::choices::Aspect;
use crate::decide::loops::Loop;
use crate::decide::problem::Problem;
use graphc_ir::NodeId;
use graphc_ir::form::PointForm;
use graphc_ir::index::{Affine, Var};
use graphc_ir::scalar::{CHUNK, LANES};

/// Multiply-adds in a chain below which loading and storing the accumulators would cost more than it saves, in
/// registers of 8 lanes. Those of 16 are twice as fast, and have two cells each to load and store.
const FEWEST_STEPS: usize = 48;

/// Operands of a step of a large tile.
const MOST_OPERANDS: usize = 12;

/// How the rows of a contraction over the batch are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Strips {
    /// The output axes whose taps share a strip, and their extents, outermost first.
    pub(crate) axes: Vec<(Var, usize)>,
    /// The reduction over rows.
    rows: Var,
    n_rows: usize,
    rows_per_strip: usize,
}

impl Strips {
    /// The strips of a contraction whose loops and grid are chosen; none if the planes stay in the cache or no axis
    /// shares them.
    pub(crate) fn of(
        problem: &Problem<'_>,
        node: NodeId,
        form: &PointForm,
        table: &Axes,
        loops: &[Loop],
    ) -> Option<Strips> {
        let nearest_words = problem.machine.nearest_words();
        let plane: usize = form.reds.iter().filter(|red| !red.is_batch).map(|red| red.extent).product();
        if plane * CHUNK * MOST_OPERANDS <= nearest_words {
            return None;
        }
        let windows = loops.iter().filter_map(|walk| {
            let axis = walk.axis()?;
            let is_free = !walk.is_shared && walk.block == 1 && walk.extent > 1;
            (is_free && form.is_window(axis.0 as usize)).then_some((axis, walk.extent))
        });
        let mut axes: Vec<(Var, usize)> = windows.collect();
        let operands = |factor: usize| {
            let moves = |walk: &&Loop| walk.axis().is_some_and(|axis| table.get(axis).moves[factor] != Move::No);
            loops.iter().filter(moves).map(|walk| walk.block).product::<usize>()
        };
        let (n_operands, n_cells) = (operands(0) + operands(1), loops.iter().map(|walk| walk.block).product::<usize>());
        // Tiles of which each multiply-add has operands of its own share a strip among all taps, others among a row's.
        if n_operands < 2 * n_cells {
            axes = axes.split_off(axes.len().saturating_sub(1));
        }
        if axes.is_empty() {
            return None;
        }
        let [_, rows, columns @ ..] = form.reds.as_slice() else { return None };
        let row_words = CHUNK * columns.iter().map(|red| red.extent).product::<usize>();
        let words_per_row = n_operands * row_words;
        let most_rows = (nearest_words / words_per_row).clamp(1, rows.extent);
        let by_cost = rows.extent.div_ceil(most_rows);
        let n_steps = rows.extent.div_ceil(by_cost) * row_words / LANES;
        let fewest_steps = if problem.machine.vectors.holds_two() { 2 * FEWEST_STEPS } else { FEWEST_STEPS };
        let by_cost = (words_per_row * rows.extent > nearest_words && n_steps >= fewest_steps).then_some(by_cost);
        let n_strips = problem.chooser.pick_of(node, Aspect::Strips, options(by_cost, rows.extent))?;
        let rows_per_strip = rows.extent.div_ceil(n_strips);
        Some(Strips { axes, rows: rows.var, n_rows: rows.extent, rows_per_strip })
    }

    /// Whether the taps of this axis share a strip.
    pub(crate) fn shares(&self, axis: Var) -> bool {
        self.axes.iter().any(|&(shared, _)| shared == axis)
    }

    /// How many taps share a strip.
    pub(crate) fn n_taps(&self) -> usize {
        self.axes.iter().map(|(_, extent)| extent).product()
    }

    /// How many there are. Rounding up may leave none for the last ones.
    pub(crate) fn n_strips(&self) -> usize {
        self.n_rows.div_ceil(self.rows_per_strip)
    }

    /// Bounds of strip number `strip` if `reduction` is over the rows.
    pub(crate) fn bounds(&self, reduction: Var, strip: Var) -> Option<(Affine, Affine)> {
        let low = Affine::var(strip).times(self.rows_per_strip as i64);
        let high = low.plus_constant(self.rows_per_strip as i64);
        (reduction == self.rows).then_some((low, high))
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
