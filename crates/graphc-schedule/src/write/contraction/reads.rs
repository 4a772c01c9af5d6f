//! Where the factors of a contraction are read, and what is asked for ahead of time.

use super::nest::{Nest, Place};
use crate::decide::contraction::{Batch, Lanes, Read};
use crate::decide::copies::When;
use crate::machine::{LINE_WORDS, ahead};
use crate::write::builder::Builder;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, Range, Stmt};
use graphc_ir::point::BATCH;

impl Nest<'_> {
    /// The axis whose blocks a copy of weights is made for.
    pub(super) fn copied_axis(&self) -> Option<Var> {
        let (_, id) = self.plan.copy()?;
        let copy = self.em.cx.copies.get(id);
        (copy.when != When::Chunk).then_some(copy.outputs.0)
    }

    /// Where both factors are at the coordinates at hand.
    pub(super) fn factors(&mut self, b: &mut Builder) -> [Access; 2] {
        [0, 1].map(|factor| self.factor(b, factor))
    }

    fn factor(&mut self, b: &mut Builder, factor: usize) -> Access {
        let cx = self.em.cx;
        let node = match self.plan.reads[factor] {
            Read::Tensor(node) => node,
            Read::Copy(id) => {
                let (copy, buffer) = (cx.copies.get(id), cx.buffers.copy(id));
                let index = match (copy.when, self.plan.lanes, &self.block) {
                    (When::Chunk, Lanes::Axis(lane), _) => {
                        let sample = self.em.batch.as_ref().expect("rows are samples").index();
                        let feature = self.em.index(b, &Affine::var(lane));
                        copy.word(&Affine::default(), copy.block, &feature, |_| sample.clone())
                    }
                    (_, _, Some(at)) => {
                        let at = at.clone();
                        let [first, first_term] = self.origin(copy.when);
                        let places: Vec<Affine> = copy.places.iter().map(|place| self.em.index(b, place)).collect();
                        let place = |term: Var| copy.terms.iter().position(|&(var, _)| var == term).expect("a term");
                        let of_term = |term: Var| places[place(term)].add_scaled(&first_term, -1);
                        copy.word(&at.first.add_scaled(&first, -1), at.width, &at.cell, of_term)
                    }
                    (when, lanes, None) => unreachable!("a copy of {when:?} for {lanes:?} outside of a block"),
                };
                return Access { buffer, index };
            }
        };
        let contraction = self.form.as_contraction().expect("a contraction");
        let index = [contraction.a, contraction.b][factor].1;
        let reductions = self.form.reds.iter().filter(|red| red.is_batch).map(|red| red.var);
        let samples: Vec<Var> =
            self.form.batch_axis.map(|axis| Var(axis as u32)).into_iter().chain(reductions).collect();
        let at = |var: Var| Affine::var(if samples.contains(&var) { BATCH } else { var });
        let index: Vec<Affine> = index.iter().map(|i| i.value.substitute(&at)).collect();
        self.em.access(b, node, &index)
    }

    /// The first output and the first term of a copy.
    fn origin(&self, when: When) -> [Affine; 2] {
        match (when, &self.block_at.terms) {
            (When::Block { .. }, Some(terms)) => [self.block_at.first_output(self.plan), terms.first.clone()],
            _ => [Affine::default(), Affine::default()],
        }
    }

    /// Asks for the places of the results of a later tile: stores wait for their lines one after the other.
    pub(super) fn fetch_results(&mut self, b: &mut Builder) {
        let (Some(blocks), true) = (self.blocks, self.plan.results_ahead > 0) else { return };
        for place in self.places(b) {
            self.fetch_block(b, place, blocks);
        }
    }

    /// Asks for the place of a later tile's results.
    fn fetch_block(&self, b: &mut Builder, Access { buffer, index }: Access, blocks: Var) {
        let index = index.add_scaled(&Affine::constant(index.coefficient(blocks)), self.plan.results_ahead);
        let mut lines: Vec<i64> = Vec::new();
        for cell in grid_cells(&self.grid) {
            let offset: i64 = self.grid.iter().zip(&cell).map(|((var, _), i)| index.coefficient(*var) * i).sum();
            if !lines.iter().any(|line| (offset - line).unsigned_abs() < LINE_WORDS as u64) {
                lines.push(offset);
            }
        }
        let is_inside = |var: Var| self.lane == Some(var) || self.grid.iter().any(|&(grid, _)| grid == var);
        let first = index.substitute(&|var| if is_inside(var) { Affine::default() } else { Affine::var(var) });
        for line in lines {
            b.push(Stmt::Fetch { from: Access { buffer, index: first.plus_constant(line) }, n_lines: 1 });
        }
    }

    /// How many words ahead of the factors' operands to fetch others: the next block of what is far away, or, where
    /// rows of a whole batch are read, what the sum itself reads later.
    pub(super) fn ahead(&self, reds: &[Range], factors: [&Access; 2]) -> [i64; 2] {
        let (Lanes::Axis(_), Batch::Summed(_), Place::Group { .. }) = (self.plan.lanes, self.plan.batch, self.place)
        else {
            return factors.map(|access| self.far_blocks.map_or(0, |blocks| access.index.coefficient(blocks)));
        };
        let [chunks, samples] = reds else { unreachable!("it sums over chunks and samples") };
        factors.map(|access| match access.index.coefficient(samples.var) {
            _ if !self.plan.rows_are_far => 0,
            1 => ahead::SPLAT_CHUNKS * access.index.coefficient(chunks.var),
            row => ahead::ROWS * row,
        })
    }
}

/// Coordinates of all cells, row-major.
fn grid_cells(grid: &[(Var, usize)]) -> Vec<Vec<i64>> {
    let extend = |cells: Vec<Vec<i64>>, &(_, extent): &(Var, usize)| {
        let of_cell = |cell: Vec<i64>| (0..extent as i64).map(move |i| [&cell[..], &[i]].concat());
        cells.into_iter().flat_map(of_cell).collect()
    };
    grid.iter().fold(vec![Vec::new()], extend)
}
