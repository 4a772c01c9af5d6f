//! Accumulators that wait in memory while others have their turn.
//!
//! A register tile of a weight gradient sums all chunks of its group before the next tile starts. Where the planes of
//! all these chunks do not stay near, something else has to be innermost: some rows of a chunk for all taps of a
//! window ([`Strips`]), or one chunk for all outputs. Then the
//! accumulators of all those outputs wait in memory, each a vector, and a tile goes on where the last one for the
//! same outputs stopped. Every accumulator still sums its terms in the order of the reduction, so that results are
//! the same to the bit.

use super::accumulators::Accumulators;
use super::blocks::{self, Part};
use super::nest::{Nest, Place};
use crate::decide::strips::Strips;
use crate::decide::summation::Groups;
use crate::write::builder::Builder;
use crate::write::expr::BatchAt;
use crate::write::task::Share;
use crate::write::tree;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, LoopKind, Range};

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
        accumulators.vector(&self.number_of(accumulators), self.own_lane())
    }

    /// The number of the accumulator of the output at hand.
    fn number_of(&self, accumulators: &Accumulators) -> Affine {
        let axes = accumulators.axes.iter().map(|&(axis, extent)| (self.em.vars[&axis].clone(), extent));
        let cells = self.cells_beside(accumulators).map(|(var, extent)| (Affine::var(var), extent));
        axes.chain(cells).fold(Affine::default(), |number, (at, extent)| number.times(extent as i64).plus(&at))
    }

    /// Hands every accumulator to the epilogue.
    pub(super) fn finish(&mut self, b: &mut Builder, accumulators: &Accumulators) {
        self.each_output(b, accumulators, &mut |nest, b, number| {
            let acc = b.load(accumulators.vector(number, nest.own_lane()));
            nest.epilogue(b, acc);
        });
    }

    /// Lets the sums of a group of chunks wait for those of the others.
    fn leave(&mut self, b: &mut Builder, accumulators: &Accumulators, group: Var) {
        self.each_output(b, accumulators, &mut |nest, b, number| {
            let acc = b.load(accumulators.vector(number, nest.own_lane()));
            let sum = nest.sum_of(b, acc);
            b.store(accumulators.sum(&Affine::var(group), number), sum);
        });
    }

    /// Hands the joined sums of all groups to the epilogue.
    fn join(&mut self, b: &mut Builder, accumulators: &Accumulators, groups: Groups) {
        self.each_output(b, accumulators, &mut |nest, b, number| {
            let of_group = |b: &mut Builder, group: &Affine| [b.load(accumulators.sum(group, number))];
            let [sum] = tree::balanced(b, groups.n_groups, &of_group, &|b, [x], [y]| [b.add(x, y)]);
            nest.epilogue(b, sum);
        });
    }

    /// Does something for every output, by the number of its accumulator.
    fn each_output(&mut self, b: &mut Builder, accumulators: &Accumulators, f: &mut EachOutput<'_, Self>) {
        self.each_coordinate(b, &accumulators.axes, &mut |nest, b| {
            let cells: Vec<(Var, usize)> = nest.cells_beside(accumulators).collect();
            nest.each_cell(b, &cells, &mut |nest, b, replace| {
                let number = nest.number_of(accumulators).substitute(&|var| replace(var));
                f(nest, b, &number);
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
    pub(super) fn chunks_in_strips(&mut self, b: &mut Builder, strips: &Strips) {
        let accumulators = Accumulators::new(self.place_to_wait(), strips.axes.clone(), &self.share);
        let Some(groups) = self.plan.joined_groups() else {
            self.group_in_strips(b, strips, &accumulators);
            return self.finish(b, &accumulators);
        };
        let cells: usize = self.cells_beside(&accumulators).map(|(_, extent)| extent).product();
        let accumulators = accumulators.with_sums(strips.n_taps() * cells);
        b.for_extent(groups.n_groups, LoopKind::Serial, |b, group| {
            self.em.ranges.insert(group, (0, groups.n_groups as i64 - 1));
            self.place = Place::Group { number: Some(group) };
            self.group_in_strips(b, strips, &accumulators);
            self.leave(b, &accumulators, group);
        });
        self.place = Place::Group { number: None };
        self.join(b, &accumulators, groups);
    }

    fn group_in_strips(&mut self, b: &mut Builder, strips: &Strips, accumulators: &Accumulators) {
        self.clear(b, accumulators);
        let chunk = b.var();
        let chunks = self.chunks_of_group(chunk);
        b.for_range(chunks, LoopKind::Serial, |b| self.strips(b, strips, chunk, accumulators));
    }

    /// All taps of the strips' axis for one chunk, strip by strip, for the block of the other output coordinates at
    /// hand.
    pub(super) fn strips(&mut self, b: &mut Builder, strips: &Strips, chunk: Var, accumulators: &Accumulators) {
        let n_strips = strips.n_strips();
        b.for_extent(n_strips, LoopKind::Serial, |b, strip| {
            self.em.ranges.insert(strip, (0, n_strips as i64 - 1));
            let (number, n_tiles) = self.tile_number.clone();
            let number = number.times(n_strips as i64).plus(&Affine::var(strip));
            self.each_coordinate(b, &strips.axes, &mut |nest, b| {
                let number = strips.axes.iter().fold(number.clone(), |number, (axis, extent)| {
                    number.times(*extent as i64).plus(&nest.em.vars[axis])
                });
                nest.fetch_next(b, chunk, (number, n_tiles * n_strips * strips.n_taps()));
                nest.continued_tile(b, Some(chunk), Some((strips, strip)), accumulators);
            });
        });
    }

    /// The share of the taps of an axis that a task computes, if they share strips.
    fn share_of_taps(&self, axis: Var) -> Option<Share> {
        let number = self.plan.strips.as_ref()?.axes.iter().position(|&(of, _)| of == axis)?;
        match self.part(self.plan.loops.len() + number) {
            Some(Part::Task(share)) => Some(share),
            Some(Part::Share { .. } | Part::Rest) | None => None,
        }
    }

    /// Loops over all coordinates of some axes, or the task's share of them.
    fn each_coordinate(&mut self, b: &mut Builder, axes: &[(Var, usize)], f: &mut dyn FnMut(&mut Self, &mut Builder)) {
        let Some((&(axis, extent), rest)) = axes.split_first() else { return f(self, b) };
        let var = b.var();
        let (low, high) = self.share_of_taps(axis).map_or(blocks::all(extent), |share| share.bounds(0, extent));
        b.for_range(Range { var, low, high }, LoopKind::Serial, |b| {
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

/// Is called for every output, with the number of its accumulator.
type EachOutput<'f, N> = dyn FnMut(&mut N, &mut Builder, &Affine) + 'f;

/// Is called for every cell of the register grid, with what replaces the grid's variables.
type EachCell<'f, N> = dyn FnMut(&mut N, &mut Builder, &dyn Fn(Var) -> Affine) + 'f;
