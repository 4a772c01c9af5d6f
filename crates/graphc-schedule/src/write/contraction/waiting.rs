//! Accumulators that wait in memory while others have their turn.
//!
//! A register tile of a weight gradient sums all chunks of its group before the next tile starts. Where the planes of
//! all these chunks do not stay near, something else has to be innermost: some rows of a chunk for all taps of a
//! window ([`Strips`]), or one chunk for all outputs. Then the
//! accumulators of all those outputs wait in memory, each a vector, and a tile goes on where the last one for the
//! same outputs stopped. Every accumulator still sums its terms in the order of the reduction, so that results are
//! the same to the bit.

use super::accumulators::Accumulators;
use super::nest::Nest;
use crate::decide::strips::Strips;
use crate::write::builder::Builder;
use crate::write::expr::BatchAt;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, LoopKind};

impl Nest<'_> {
    /// Lets all accumulators start at zero.
    pub(super) fn clear(&self, b: &mut Builder, accumulators: &Accumulators) {
        let n_cells: usize = self.cells_beside(accumulators).map(|(_, extent)| extent).product();
        let n_coordinates: usize = accumulators.axes.iter().map(|&(_, extent)| extent).product();
        b.for_extent(n_coordinates * n_cells, LoopKind::Serial, |b, vector| {
            let zero = b.f32(0.0);
            b.store(accumulators.vector(&Affine::var(vector), self.own_lane()), zero);
        });
    }

    /// Where the accumulator of the output at hand waits.
    pub(super) fn waiting_place(&self, accumulators: &Accumulators) -> Access {
        let axes = accumulators.axes.iter().map(|&(axis, extent)| (self.em.vars[&axis].clone(), extent));
        let cells = self.cells_beside(accumulators).map(|(var, extent)| (Affine::var(var), extent));
        let number =
            axes.chain(cells).fold(Affine::default(), |number, (at, extent)| number.times(extent as i64).plus(&at));
        accumulators.vector(&number, self.own_lane())
    }

    /// Hands every accumulator to the epilogue.
    pub(super) fn finish(&mut self, b: &mut Builder, accumulators: &Accumulators) {
        self.each_coordinate(b, &accumulators.axes, &mut |nest, b| {
            let cells: Vec<(Var, usize)> = nest.cells_beside(accumulators).collect();
            nest.each_cell(b, &cells, &mut |nest, b, replace| {
                let Access { buffer, index } = nest.waiting_place(accumulators);
                let acc = b.load(Access { buffer, index: index.substitute(&|var| replace(var)) });
                nest.epilogue(b, acc);
            });
        });
    }

    /// Grid variables that belong to none of the axes.
    fn cells_beside(&self, accumulators: &Accumulators) -> impl Iterator<Item = (Var, usize)> {
        let is_beside = |var: Var| {
            let mut axes = accumulators.axes.iter().filter_map(|&(axis, _)| self.em.vars.get(&axis));
            !axes.any(|index| index.uses(var))
        };
        self.grid.iter().copied().filter(move |&(var, _)| is_beside(var))
    }

    fn own_lane(&self) -> Var {
        self.lane.expect("accumulators that wait are vectors")
    }

    /// Strips of every chunk of the group, for the block of output coordinates at hand.
    pub(super) fn chunks_in_strips(&mut self, b: &mut Builder, strips: Strips) {
        let accumulators = Accumulators::new(self.place_to_wait(), vec![(strips.axis, strips.extent)], &self.share);
        self.clear(b, &accumulators);
        let chunk = b.var();
        let chunks = self.chunks_of_group(chunk);
        b.for_range(chunks, LoopKind::Serial, |b| self.strips(b, strips, chunk, &accumulators));
        self.finish(b, &accumulators);
    }

    /// All taps of the strips' axis for one chunk, strip by strip, for the block of the other output coordinates at
    /// hand.
    pub(super) fn strips(&mut self, b: &mut Builder, strips: Strips, chunk: Var, accumulators: &Accumulators) {
        let n_strips = strips.n_strips();
        b.for_extent(n_strips, LoopKind::Serial, |b, strip| {
            self.em.ranges.insert(strip, (0, n_strips as i64 - 1));
            let (number, n_tiles) = self.tile_number.clone();
            let number = number.times(n_strips as i64).plus(&Affine::var(strip)).times(strips.extent as i64);
            self.each_coordinate(b, &[(strips.axis, strips.extent)], &mut |nest, b| {
                let number = number.plus(&nest.em.vars[&strips.axis]);
                nest.fetch_next(b, chunk, (number, n_tiles * n_strips * strips.extent));
                nest.continued_tile(b, Some(chunk), Some((strips, strip)), accumulators);
            });
        });
    }

    /// Loops over all coordinates of some axes.
    fn each_coordinate(&mut self, b: &mut Builder, axes: &[(Var, usize)], f: &mut dyn FnMut(&mut Self, &mut Builder)) {
        let Some((&(axis, extent), rest)) = axes.split_first() else { return f(self, b) };
        b.for_extent(extent, LoopKind::Serial, |b, var| {
            self.em.ranges.insert(var, (0, extent as i64 - 1));
            self.em.bind(axis, Affine::var(var));
            self.em.open_scope();
            self.each_coordinate(b, rest, f);
            self.em.close_scope();
        });
    }

    /// Loops over the cells of the register grid, with loop variables in place of the grid's.
    fn each_cell(&mut self, b: &mut Builder, cells: &[(Var, usize)], f: &mut EachCell<'_, Self>) {
        self.each_cell_from(b, cells, &mut Vec::new(), f);
    }

    fn each_cell_from(
        &mut self,
        b: &mut Builder,
        cells: &[(Var, usize)],
        loops: &mut Vec<(Var, Var)>,
        f: &mut EachCell<'_, Self>,
    ) {
        let Some((&(var, extent), rest)) = cells.split_first() else {
            let replace = |found: Var| {
                let other = loops.iter().find(|(grid, _)| *grid == found);
                Affine::var(other.map_or(found, |&(_, cell)| cell))
            };
            let (before, batch) = (self.em.vars.clone(), self.em.batch.clone());
            self.em.batch = batch.clone().map(|BatchAt { chunk, sample }| BatchAt {
                chunk: chunk.substitute(&replace),
                sample: sample.substitute(&replace),
            });
            self.em.vars.values_mut().for_each(|index| *index = index.substitute(&replace));
            self.em.open_scope();
            f(self, b, &replace);
            self.em.close_scope();
            (self.em.vars, self.em.batch) = (before, batch);
            return;
        };
        b.for_extent(extent, LoopKind::Serial, |b, cell| {
            self.em.ranges.insert(cell, (0, extent as i64 - 1));
            loops.push((var, cell));
            self.each_cell_from(b, rest, loops, f);
            loops.pop();
        });
    }
}

/// Is called for every cell of the register grid, with what replaces the grid's variables.
type EachCell<'f, N> = dyn FnMut(&mut N, &mut Builder, &dyn Fn(Var) -> Affine) + 'f;
