//! Strips: weight gradients of large images, a few rows at a time.
//!
//! A weight gradient `dw[r, s, c, k] = sum_{n, p, q} x[n, p + r, q + s, c] dy[n, p, q, k]` reads whole planes of a few
//! channels for every tap of the window. Where the planes do not stay in the nearest cache, each tap would fetch them
//! anew, and fetching is slower than multiplying. So the rows are cut into strips that do stay, and all taps of one
//! window axis take their share of a strip before the next strip comes. Each tap's accumulators wait in memory
//! meanwhile ([`waiting`](crate::write::contraction::waiting)).

use crate::decide::choices::Aspect;
use crate::decide::windows::{self, NEAREST_WORDS};
use crate::write::builder::Builder;
use crate::write::contraction::Nest;
use crate::write::contraction::factor::Factor;
use crate::write::contraction::waiting::Accumulators;
use crate::write::contraction::walk::Walk;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::LoopKind;
use graphc_ir::scalar::{CHUNK, LANES};

/// Multiply-adds in a chain below which loading and storing the accumulators would cost more than it saves.
const FEWEST_STEPS: usize = 48;

/// How the rows of a contraction over the batch are cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strips {
    /// The output axis whose taps share a strip.
    pub(crate) axis: usize,
    pub(crate) extent: usize,
    /// The reduction over rows.
    rows: Var,
    n_rows: usize,
    rows_per_strip: usize,
}

impl Strips {
    /// The strips that `nest` needs when its output coordinates are walked as `walks`; none if the planes stay in the
    /// cache or no axis shares them.
    pub(crate) fn of(nest: &Nest<'_>, walks: &[Walk]) -> Option<Strips> {
        windows::largest(nest.form)?;
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
        Some(Strips { axis, extent, rows: rows.var, n_rows: rows.extent, rows_per_strip })
    }

    /// Bounds of strip number `strip` if `reduction` is over the rows.
    pub(crate) fn bounds(&self, reduction: Var, strip: Var) -> Option<(Affine, Affine)> {
        let low = Affine::var(strip).times(self.rows_per_strip as i64);
        let high = low.plus_constant(self.rows_per_strip as i64);
        (reduction == self.rows).then_some((low, high))
    }
}

impl Nest<'_> {
    /// All taps of the strips' axis for one chunk, strip by strip, for the block of the other output coordinates at
    /// hand.
    pub(crate) fn strips(&mut self, b: &mut Builder, strips: Strips, chunk: Var, accumulators: &Accumulators) {
        // Rounding up may leave none for the last ones.
        let n_strips = strips.n_rows.div_ceil(strips.rows_per_strip);
        b.for_extent(n_strips, LoopKind::Serial, |b, strip| {
            self.em.ranges.insert(strip, (0, n_strips as i64 - 1));
            let (number, n_tiles) = self.tile_number.clone();
            let number = number.times(n_strips as i64).plus(&Affine::var(strip)).times(strips.extent as i64);
            self.each_coordinate(b, &[(strips.axis, strips.extent)], &mut |nest, b| {
                let number = number.plus(&nest.em.vars[&Var(strips.axis as u32)]);
                nest.fetch_next(b, chunk, (number, n_tiles * n_strips * strips.extent));
                nest.continued_tile(b, chunk, Some((strips, strip)), accumulators);
            });
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
