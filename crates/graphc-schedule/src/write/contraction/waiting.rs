//! Accumulators that wait in memory while others have their turn.
//!
//! A register tile of a weight gradient sums all chunks of its group before the next tile starts. Where the planes of
//! all these chunks do not stay near, something else has to be innermost: some rows of a chunk for all taps of a window
//! ([`strips`](crate::write::contraction::strips)), or one chunk for all outputs ([`joined`](crate::decide::joined)). Then the
//! accumulators of all those outputs wait in memory, each a vector, and a tile goes on where the last one for the same
//! outputs stopped. Every accumulator still sums its terms in the order of the reduction, so that results are the same
//! to the bit.

use crate::memory::buffers::Waiting;
use crate::write::builder::Builder;
use crate::write::contraction::{Kind, Nest};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, BufId, LoopKind};
use graphc_ir::scalar::LANES;

/// The accumulators that wait for a nest: those of all coordinates of some axes, and of the cells of the register grid
/// at hand.
#[derive(Clone, Debug)]
pub(crate) struct Accumulators {
    /// Output axes and their extents, outermost first.
    axes: Vec<(usize, usize)>,
    buffer: BufId,
    first: Affine,
}

impl Waiting {
    /// The accumulators of all coordinates of `axes` for the nest that has share number `share` of the memory.
    pub(crate) fn accumulators(&self, axes: Vec<(usize, usize)>, share: &Affine) -> Accumulators {
        Accumulators { axes, buffer: self.buffer, first: share.times(self.share_words as i64) }
    }
}

impl Accumulators {
    fn vector(&self, number: &Affine, lane: Var) -> Access {
        let index = self.first.add_scaled(number, LANES as i64).plus(&Affine::var(lane));
        Access { buffer: self.buffer, index }
    }
}

impl Nest<'_> {
    /// Lets all accumulators start at zero.
    pub(crate) fn clear(&self, b: &mut Builder, accumulators: &Accumulators) {
        let n_cells: usize = self.cells_beside(accumulators).map(|(_, extent)| extent).product();
        let n_coordinates: usize = accumulators.axes.iter().map(|&(_, extent)| extent).product();
        b.for_extent(n_coordinates * n_cells, LoopKind::Serial, |b, vector| {
            let zero = b.f32(0.0);
            b.store(accumulators.vector(&Affine::var(vector), self.lane()), zero);
        });
    }

    /// Where the accumulator of the output at hand waits.
    pub(crate) fn place(&self, accumulators: &Accumulators) -> Access {
        let axes = accumulators.axes.iter().map(|&(axis, extent)| (self.em.vars[&Var(axis as u32)].clone(), extent));
        let cells = self.cells_beside(accumulators).map(|(var, extent)| (Affine::var(var), extent));
        let number =
            axes.chain(cells).fold(Affine::default(), |number, (at, extent)| number.times(extent as i64).plus(&at));
        accumulators.vector(&number, self.lane())
    }

    /// Hands every accumulator to the epilogue.
    pub(crate) fn finish(&mut self, b: &mut Builder, accumulators: &Accumulators) {
        self.each_coordinate(b, &accumulators.axes, &mut |nest, b| {
            let cells: Vec<(Var, usize)> = nest.cells_beside(accumulators).collect();
            nest.each_cell(b, &cells, &mut |nest, b, replace| {
                let Access { buffer, index } = nest.place(accumulators);
                let acc = b.load(Access { buffer, index: index.substitute(&|var| replace(var)) });
                nest.epilogue(b, acc);
            });
        });
    }

    /// Grid variables that belong to none of the axes.
    fn cells_beside(&self, accumulators: &Accumulators) -> impl Iterator<Item = (Var, usize)> {
        let is_beside = |var: Var| {
            let mut axes = accumulators.axes.iter().filter_map(|&(axis, _)| self.em.vars.get(&Var(axis as u32)));
            !axes.any(|index| index.uses(var))
        };
        self.grid.iter().copied().filter(move |&(var, _)| is_beside(var))
    }

    fn lane(&self) -> Var {
        match self.kind {
            Kind::OverBatch { lane, .. } => lane,
            kind => unreachable!("accumulators of {kind:?} do not wait"),
        }
    }

    /// Loops over all coordinates of some axes.
    pub(crate) fn each_coordinate(
        &mut self,
        b: &mut Builder,
        axes: &[(usize, usize)],
        f: &mut dyn FnMut(&mut Self, &mut Builder),
    ) {
        let Some((&(axis, extent), rest)) = axes.split_first() else { return f(self, b) };
        b.for_extent(extent, LoopKind::Serial, |b, var| {
            self.em.ranges.insert(var, (0, extent as i64 - 1));
            self.em.bind(Var(axis as u32), Affine::var(var));
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
            let before = self.em.vars.clone();
            self.em.vars.values_mut().for_each(|index| *index = index.substitute(&replace));
            self.em.open_scope();
            f(self, b, &replace);
            self.em.close_scope();
            self.em.vars = before;
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
