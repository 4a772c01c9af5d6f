//! Copies of weights in the order of register tiles: as packed splats, or as vectors of neighbouring outputs.

use crate::decide::copies::{CopyId, CopyPlan, Shares, When};
use crate::machine::{LINE_WORDS, ahead};
use crate::write::builder::Builder;
use crate::write::expr::Cx;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, Bound, BufId, LoopKind, Range, Stmt};
use graphc_ir::scalar::LANES;

/// Writes the copy: shares of the blocks that are copied in vectors, in parallel, then the rest word by word.
pub(crate) fn write(cx: &Cx<'_>, b: &mut Builder, name: &str, id: CopyId) {
    let copy = cx.copies.get(id);
    let writer = Writer::new(cx, name, id);
    let (n_outputs, block) = (copy.n_outputs(), copy.block);
    let n_vector_blocks = copy.n_vector_blocks;
    writer.shares(b, n_vector_blocks);
    let n_full = n_outputs / block;
    let left = n_outputs % block;
    if copy.transposes && n_full > 0 {
        writer.transposed_shares(b, n_full);
    }
    let n_done = if copy.transposes { n_full } else { n_vector_blocks };
    for (first, n_real) in (n_done..n_full).map(|i| (i, block)).chain([(n_full, left)]) {
        if n_real > 0 {
            let blocks = Blocks::single(first * block, n_real, n_real.next_multiple_of(copy.unit).min(block));
            let are_vectors = n_vector_blocks > 0 && n_real >= LANES && n_real == blocks.width;
            b.nest(&writer.name, |b| match are_vectors {
                true => b.lanes(|b, lane| writer.part(b, &blocks, &Rows::all(copy.n_rows()), Some(lane))),
                false => writer.words(b, &blocks),
            });
        }
    }
    if let Some(n_whole) = copy.tail {
        let first = copy.outputs.1 - LANES;
        let blocks = Blocks { shift: n_whole as i64 - first as i64, ..Blocks::single(first, LANES, LANES) };
        b.nest(&writer.name, |b| writer.words(b, &blocks));
    }
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
    let rows = Rows { first: region.first_term.clone(), n: region.n_terms };
    if region.is_rest {
        let blocks = Blocks::single(n_full * block, left, left);
        return b.nest(&writer.name, |b| writer.part(b, &blocks, &rows, None));
    }
    let blocks = |low: Bound, high: Bound| Blocks { origin: 0, low, high, n_real: block, width: block, shift: 0 };
    let n_vectors = Affine::constant(copy.n_vector_blocks as i64);
    let within = |bound: &Bound| Bound(bound.0.iter().cloned().chain([n_vectors.clone()]).collect());
    let vectors = blocks(region.low.clone(), within(&region.high));
    b.nest(&writer.name, |b| b.lanes(|b, lane| writer.part(b, &vectors, &rows, Some(lane))));
    if copy.n_vector_blocks < n_full {
        let words = blocks(within(&region.low), region.high.clone());
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
    fn single(origin: usize, n_real: usize, width: usize) -> Blocks {
        Blocks { origin, low: Bound::constant(0), high: Bound::constant(1), n_real, width, shift: 0 }
    }
}

/// Some coordinates of the last term.
struct Rows {
    first: Affine,
    n: usize,
}

impl Rows {
    fn all(n: usize) -> Rows {
        Rows { first: Affine::default(), n }
    }
}

impl<'a> Writer<'a> {
    fn new(cx: &'a Cx<'a>, name: &str, id: CopyId) -> Writer<'a> {
        let (copy, to) = (cx.copies.get(id), cx.buffers.copy(id));
        Writer { cx, copy, to, name: format!("packed weights of {name}"), origin: None }
    }
}

impl Writer<'_> {
    /// Shares of the first `n_blocks` blocks.
    fn shares(&self, b: &mut Builder, n_blocks: usize) {
        if n_blocks == 0 {
            return;
        }
        let width = self.copy.block;
        let blocks = |low: Bound, high: Bound| Blocks { origin: 0, low, high, n_real: width, width, shift: 0 };
        let all = || blocks(Bound::constant(0), Bound::constant(n_blocks));
        let in_lanes = |b: &mut Builder, blocks: &Blocks, rows: &Rows| {
            b.nest(&self.name, |b| b.lanes(|b, lane| self.part(b, blocks, rows, Some(lane))));
        };
        match self.copy.shares(n_blocks, self.cx.machine.threads) {
            Shares::Rows { n_shares, n_rows } => {
                b.for_extent(n_shares, LoopKind::Parallel, |b, share| {
                    in_lanes(b, &all(), &Rows { first: Affine::var(share).times(n_rows as i64), n: n_rows });
                });
                let done = n_shares * n_rows;
                if done < self.copy.n_rows() {
                    in_lanes(b, &all(), &Rows { first: Affine::constant(done as i64), n: self.copy.n_rows() - done });
                }
            }
            Shares::Blocks { n_shares, n_blocks: per_share } => {
                b.for_extent(n_shares, LoopKind::Parallel, |b, share| {
                    let low = Affine::var(share).times(per_share as i64);
                    let high = [low.plus_constant(per_share as i64), Affine::constant(n_blocks as i64)];
                    in_lanes(b, &blocks(Bound(vec![low]), Bound(high.to_vec())), &Rows::all(self.copy.n_rows()));
                });
            }
        }
    }

    /// Copies a block outside of a region: in transposed squares, or word by word.
    fn words(&self, b: &mut Builder, blocks: &Blocks) {
        if self.copy.transposes && blocks.n_real >= LANES {
            return b.lanes(|b, lane| self.squares(b, blocks, lane, &mut Vec::new()));
        }
        self.part(b, blocks, &Rows::all(self.copy.n_rows()), None);
    }

    /// Shares of `n_full` blocks whose words lie apart in the source, while those of neighbouring terms follow each
    /// other.
    fn transposed_shares(&self, b: &mut Builder, n_full: usize) {
        let width = self.copy.block;
        let Shares::Blocks { n_shares, n_blocks } = self.copy.block_shares(n_full, self.cx.machine.threads) else {
            unreachable!("blocks")
        };
        b.for_extent(n_shares, LoopKind::Parallel, |b, share| {
            let low = Affine::var(share).times(n_blocks as i64);
            let high = Bound(vec![low.plus_constant(n_blocks as i64), Affine::constant(n_full as i64)]);
            let blocks = Blocks { origin: 0, low: Bound(vec![low]), high, n_real: width, width, shift: 0 };
            b.nest(&self.name, |b| b.lanes(|b, lane| self.squares(b, &blocks, lane, &mut Vec::new())));
        });
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
        self.terms(b, (blocks, rows), lane, &mut Vec::new());
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
