//! Copies of weights in the order of register tiles: as packed splats, or as vectors of neighbouring outputs.

use crate::decide::copies::{CopyId, CopyPlan, Shares, When};
use crate::machine::{LINE_WORDS, ahead};
use crate::write::builder::Builder;
use crate::write::expr::Cx;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, Bound, BufId, LoopKind, Range, Stmt};
use graphc_ir::scalar::LANES;

/// Writes the copy: shares of the blocks that are copied in vectors, in parallel, and the rest word by word, which the
/// last share takes along if there are several threads.
pub(crate) fn write(cx: &Cx<'_>, b: &mut Builder, name: &str, id: CopyId) {
    let copy = cx.copies.get(id);
    let writer = Writer::new(cx, name, id);
    let n_blocks = if copy.transposes { copy.n_outputs() / copy.block } else { copy.n_vector_blocks };
    let takes_rest = cx.machine.threads.n > 1;
    match copy.shares(n_blocks, cx.machine.threads) {
        _ if n_blocks == 0 => {}
        Shares::Rows { n_shares, n_rows } => writer.rows(b, n_blocks, (n_shares, n_rows), takes_rest),
        Shares::Blocks { n_shares, n_blocks: per_share, n_terms } => {
            b.for_extent(n_shares * n_terms, LoopKind::Parallel, |b, task| {
                let (share, outer) = writer.digits(b, task, n_shares, n_terms);
                let rows = Rows { outer, ..Rows::all(copy.n_rows()) };
                let low = Affine::var(share).times(per_share as i64);
                let high = [low.plus_constant(per_share as i64), Affine::constant(n_blocks as i64)];
                writer.in_lanes(b, &Blocks::full(copy, Bound(vec![low]), Bound(high.to_vec())), &rows);
                if takes_rest {
                    only(b, share, n_shares - 1, |b| writer.rest(b, &rows));
                }
            });
        }
    }
    if n_blocks == 0 || !takes_rest {
        writer.rest(b, &Rows::all(copy.n_rows()));
    }
}

/// Writes something for one share alone.
fn only(b: &mut Builder, share: Var, number: usize, write: impl FnOnce(&mut Builder)) {
    let behind = Affine::var(share).plus_constant(-(number as i64));
    let low = Bound(vec![behind.clone(), behind.times(-1)]);
    let var = b.var();
    b.for_range(Range { var, low, high: Bound::constant(1) }, LoopKind::Serial, write);
}

/// Some blocks of outputs and some terms of a copy that is made where it is read.
pub(crate) struct Region {
    /// The first of its full blocks, and the one behind the last.
    pub(crate) low: Bound,
    pub(crate) high: Bound,
    /// Whether it is what is left behind all full blocks instead.
    pub(crate) is_rest: bool,
    /// What stands first in the copy.
    pub(crate) first_output: Affine,
    pub(crate) first_term: Affine,
    pub(crate) n_terms: usize,
}

/// Writes a part of a copy into the place where every part of it stands in turn.
pub(crate) fn write_region(cx: &Cx<'_>, b: &mut Builder, (name, id): (&str, CopyId), region: &Region) {
    let origin = [region.first_output.clone(), region.first_term.clone()];
    let writer = Writer { origin: Some(origin), ..Writer::new(cx, name, id) };
    let copy = writer.copy;
    let (n_outputs, block) = (copy.n_outputs(), copy.block);
    let (n_full, left) = (n_outputs / block, n_outputs % block);
    let rows = Rows { first: region.first_term.clone(), ..Rows::all(region.n_terms) };
    if region.is_rest {
        let blocks = Blocks::single(n_full * block, left, left);
        return b.nest(&writer.name, |b| writer.part(b, &blocks, &rows, None));
    }
    let n_vectors = Affine::constant(copy.n_vector_blocks as i64);
    let within = |bound: &Bound| Bound(bound.0.iter().cloned().chain([n_vectors.clone()]).collect());
    let vectors = Blocks::full(copy, region.low.clone(), within(&region.high));
    b.nest(&writer.name, |b| b.lanes(|b, lane| writer.part(b, &vectors, &rows, Some(lane))));
    if copy.n_vector_blocks < n_full {
        let words = Blocks::full(copy, within(&region.low), region.high.clone());
        b.nest(&writer.name, |b| writer.part(b, &words, &rows, None));
    }
}

struct Writer<'a> {
    cx: &'a Cx<'a>,
    copy: &'a CopyPlan,
    to: BufId,
    name: String,
    /// The first output and the first term of what is copied, if it is not everything.
    origin: Option<[Affine; 2]>,
}

/// Blocks `low..high` of outputs from `origin` on.
struct Blocks {
    origin: usize,
    low: Bound,
    high: Bound,
    /// Outputs that there are in each.
    n_real: usize,
    /// Outputs of each; those beyond the real ones are zero.
    width: usize,
    /// How much farther they stand in the copy.
    shift: i64,
}

impl Blocks {
    fn full(copy: &CopyPlan, low: Bound, high: Bound) -> Blocks {
        Blocks { origin: 0, low, high, n_real: copy.block, width: copy.block, shift: 0 }
    }

    fn single(origin: usize, n_real: usize, width: usize) -> Blocks {
        Blocks { origin, low: Bound::constant(0), high: Bound::constant(1), n_real, width, shift: 0 }
    }
}

/// Some coordinates of the last term.
#[derive(Clone)]
struct Rows {
    first: Affine,
    n: usize,
    /// Those of the other terms, if they are given.
    outer: Vec<Affine>,
}

impl Rows {
    fn all(n: usize) -> Rows {
        Rows { first: Affine::default(), n, outer: Vec::new() }
    }
}

impl<'a> Writer<'a> {
    fn new(cx: &'a Cx<'a>, name: &str, id: CopyId) -> Writer<'a> {
        let (copy, to) = (cx.copies.get(id), cx.buffers.copy(id));
        Writer { cx, copy, to, name: format!("packed weights of {name}"), origin: None }
    }
}

impl Writer<'_> {
    /// Shares of the rows of the first `n_blocks` blocks, and of what is left beside them.
    fn rows(&self, b: &mut Builder, n_blocks: usize, (n_shares, n_rows): (usize, usize), takes_rest: bool) {
        let done = n_shares * n_rows;
        let blocks = Blocks::full(self.copy, Bound::constant(0), Bound::constant(n_blocks));
        let left = self.copy.n_rows() - done;
        let last = Rows { first: Affine::constant(done as i64), ..Rows::all(left) };
        b.for_extent(n_shares, LoopKind::Parallel, |b, share| {
            let rows = Rows { first: Affine::var(share).times(n_rows as i64), ..Rows::all(n_rows) };
            self.in_lanes(b, &blocks, &rows);
            if takes_rest {
                self.rest(b, &rows);
            }
            if takes_rest && left > 0 {
                only(b, share, n_shares - 1, |b| {
                    self.in_lanes(b, &blocks, &last);
                    self.rest(b, &last);
                });
            }
        });
        if !takes_rest && left > 0 {
            self.in_lanes(b, &blocks, &last);
        }
    }

    /// The share of the blocks, and the coordinates of all terms but the last, of a task.
    fn digits(&self, b: &mut Builder, task: Var, n_shares: usize, n_terms: usize) -> (Var, Vec<Affine>) {
        if n_terms == 1 {
            return (task, Vec::new());
        }
        let mut digit = |value: Affine| {
            let var = b.var();
            b.push(Stmt::LetIndex { var, value });
            var
        };
        let share = digit(Affine::var(task).modulo(n_shares as i64));
        let mut left = digit(Affine::var(task).div(n_shares as i64));
        let mut terms = Vec::new();
        let (_, outer) = self.copy.terms.split_last().expect("a term");
        for &(_, extent) in outer.iter().rev() {
            terms.push(Affine::var(digit(Affine::var(left).modulo(extent as i64))));
            left = digit(Affine::var(left).div(extent as i64));
        }
        terms.reverse();
        (share, terms)
    }

    /// Blocks whose words follow each other, or lie apart in the source while those of neighbouring terms follow each
    /// other.
    fn in_lanes(&self, b: &mut Builder, blocks: &Blocks, rows: &Rows) {
        b.nest(&self.name, |b| {
            b.lanes(|b, lane| match self.copy.transposes {
                true => self.squares(b, blocks, lane, &mut rows.outer.clone()),
                false => self.part(b, blocks, rows, Some(lane)),
            });
        });
    }

    /// What is left beside the blocks that are copied in vectors, or squares.
    fn rest(&self, b: &mut Builder, rows: &Rows) {
        let copy = self.copy;
        let (n_full, left) = (copy.n_outputs() / copy.block, copy.n_outputs() % copy.block);
        let n_done = if copy.transposes { n_full } else { copy.n_vector_blocks };
        for (first, n_real) in (n_done..n_full).map(|i| (i, copy.block)).chain([(n_full, left)]) {
            if n_real > 0 {
                let width = n_real.next_multiple_of(copy.unit).min(copy.block);
                let blocks = Blocks::single(first * copy.block, n_real, width);
                let are_vectors = copy.n_vector_blocks > 0 && n_real >= LANES && n_real == width;
                b.nest(&self.name, |b| match are_vectors {
                    true => b.lanes(|b, lane| self.part(b, &blocks, rows, Some(lane))),
                    false => self.words(b, &blocks, rows),
                });
            }
        }
        if let Some(n_whole) = copy.tail {
            let first = copy.outputs.1 - LANES;
            let blocks = Blocks { shift: n_whole as i64 - first as i64, ..Blocks::single(first, LANES, LANES) };
            b.nest(&self.name, |b| self.words(b, &blocks, rows));
        }
    }

    /// Copies a block outside of a region: in transposed squares, or word by word.
    fn words(&self, b: &mut Builder, blocks: &Blocks, rows: &Rows) {
        if self.copy.transposes && blocks.n_real >= LANES {
            return b.lanes(|b, lane| self.squares(b, blocks, lane, &mut rows.outer.clone()));
        }
        self.part(b, blocks, rows, None);
    }

    /// Loops over the terms but the last, over vectors of the last, and over blocks and their outputs; the last
    /// vector ends with the last term.
    fn squares(&self, b: &mut Builder, blocks: &Blocks, lane: Var, outer: &mut Vec<Affine>) {
        let (_, extent) = self.copy.terms[outer.len()];
        if outer.len() + 1 < self.copy.terms.len() {
            return b.for_extent(extent, LoopKind::Serial, |b, var| {
                outer.push(Affine::var(var));
                self.squares(b, blocks, lane, outer);
                outer.pop();
            });
        }
        let mut vectors = |b: &mut Builder, n_vectors: usize, first: usize| {
            b.for_extent(n_vectors, LoopKind::Serial, |b, var| {
                let term = Affine::var(var).times(LANES as i64).plus_constant(first as i64).plus(&Affine::var(lane));
                outer.push(term);
                self.row(b, blocks, None, outer);
                outer.pop();
            });
        };
        vectors(b, extent / LANES, 0);
        if !extent.is_multiple_of(LANES) {
            vectors(b, 1, extent - LANES);
        }
    }

    /// Copies some blocks; `lane` if that is in vectors.
    fn part(&self, b: &mut Builder, blocks: &Blocks, rows: &Rows, lane: Option<Var>) {
        self.terms(b, (blocks, rows), lane, &mut rows.outer.clone());
    }

    /// Loops over the terms, which are rows of the matrix, and for each over the blocks. A block narrower than a
    /// vector is copied with the words behind it, which the rows that follow overwrite; so the very last rows are
    /// copied word by word: behind them is the next block, or what another share writes.
    fn terms(&self, b: &mut Builder, part: (&Blocks, &Rows), lane: Option<Var>, outer: &mut Vec<Affine>) {
        let (_, extent) = self.copy.terms[outer.len()];
        if outer.len() + 1 < self.copy.terms.len() {
            return b.for_extent(extent, LoopKind::Serial, |b, var| {
                outer.push(Affine::var(var));
                self.terms(b, part, lane, outer);
                outer.pop();
            });
        }
        let (blocks, rows) = part;
        let n_words = match lane {
            Some(_) if blocks.width >= LANES => 0,
            Some(_) => LANES.div_ceil(blocks.width).max(2) - 1,
            None => rows.n,
        };
        let n_vectors = rows.n.saturating_sub(n_words);
        for (low, high, lane) in [(0, n_vectors, lane), (n_vectors, rows.n, None)] {
            if low == high {
                continue;
            }
            let term = b.var();
            let bound = |row: usize| Bound(vec![rows.first.plus_constant(row as i64)]);
            b.for_range(Range { var: term, low: bound(low), high: bound(high) }, LoopKind::Serial, |b| {
                outer.push(Affine::var(term));
                self.fetch_source(b, outer);
                self.row(b, blocks, lane, outer);
                outer.pop();
            });
        }
    }

    /// One row of some blocks.
    fn row(&self, b: &mut Builder, blocks: &Blocks, lane: Option<Var>, terms: &[Affine]) {
        let block = b.var();
        let range = Range { var: block, low: blocks.low.clone(), high: blocks.high.clone() };
        b.for_range(range, LoopKind::Serial, |b| {
            let first = Affine::var(block).times(blocks.width as i64).plus_constant(blocks.origin as i64);
            match lane {
                Some(lane) => self.vectors(b, blocks, &first, lane, terms),
                None => b.for_extent(blocks.n_real, LoopKind::Serial, |b, cell| {
                    self.copy_word(b, blocks, (&first, &Affine::var(cell)), terms);
                }),
            }
            if lane.is_none() && blocks.n_real < blocks.width {
                b.for_extent(blocks.width - blocks.n_real, LoopKind::Serial, |b, cell| {
                    let cell = Affine::var(cell).plus_constant(blocks.n_real as i64);
                    let zero = b.f32(0.0);
                    b.store(self.place(blocks, (&first, &cell), terms), zero);
                });
            }
        });
    }

    fn vectors(&self, b: &mut Builder, blocks: &Blocks, first: &Affine, lane: Var, terms: &[Affine]) {
        if self.origin.is_none() {
            let Access { buffer, index } = self.place(blocks, (first, &Affine::default()), terms);
            let index = index.plus_constant((ahead::COPIED_ROWS * blocks.width) as i64);
            b.push(Stmt::Fetch { from: Access { buffer, index }, n_lines: 1 });
        }
        // The last vector of a row ends with it, but one that is wider than the row.
        let last = blocks.width.saturating_sub(LANES);
        for vector in 0..blocks.width.div_ceil(LANES) {
            let cell = Affine::var(lane).plus_constant((vector * LANES).min(last) as i64);
            self.copy_word(b, blocks, (first, &cell), terms);
        }
    }

    /// Asks for what a later row of a part has, which begins anew behind each of them.
    fn fetch_source(&self, b: &mut Builder, terms: &[Affine]) {
        let (Some([first, _]), When::Block { n_outputs, .. }) = (&self.origin, self.copy.when) else { return };
        let mut later = terms.to_vec();
        let last = later.last_mut().expect("a term");
        *last = last.plus_constant(ahead::SOURCE_ROWS);
        let from = self.source(first, &later);
        b.push(Stmt::Fetch { from, n_lines: n_outputs / LINE_WORDS + 1 });
    }

    /// Where a word comes from.
    fn source(&self, output: &Affine, terms: &[Affine]) -> Access {
        let buffer = self.cx.buffers.node(self.copy.source);
        let strides = &self.cx.buffers.layout(buffer).strides;
        let at = |var: Var| if var == self.copy.outputs.0 { output.clone() } else { self.term(var, terms) };
        let index =
            self.copy.index.iter().zip(strides).fold(Affine::default(), |word, (index, &stride)| {
                word.add_scaled(&index.substitute(&at), stride as i64)
            });
        Access { buffer, index }
    }

    fn copy_word(&self, b: &mut Builder, blocks: &Blocks, (first, cell): (&Affine, &Affine), terms: &[Affine]) {
        let value = b.load(self.source(&first.plus(cell), terms));
        b.store(self.place(blocks, (first, cell), terms), value);
    }

    /// Where a word goes.
    fn place(&self, blocks: &Blocks, (first, cell): (&Affine, &Affine), terms: &[Affine]) -> Access {
        let [output, first_term] = self.origin.clone().unwrap_or_default();
        let first = &first.plus_constant(blocks.shift).add_scaled(&output, -1);
        let term = |term: Var| self.term(term, terms).add_scaled(&first_term, -1);
        Access { buffer: self.to, index: self.copy.word(first, blocks.width, cell, term) }
    }

    /// Value of a term's variable.
    fn term(&self, term: Var, terms: &[Affine]) -> Affine {
        let position = self.copy.terms.iter().position(|&(var, _)| var == term).expect("a term");
        terms[position].clone()
    }
}
