//! Writes the copies of packed weights.

use crate::decide::packed::PackedWeights;
use crate::write::builder::Builder;
use crate::write::expr::Cx;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, Bound, BufId, LoopKind, Range, Stmt};
use graphc_ir::scalar::LANES;

/// How many rows ahead the places of the copy are fetched: each block is a stream of its own.
const ROWS_AHEAD: usize = 16;

/// Shares at most: the words of a share of the blocks should be many in every row.
const MOST_SHARES: usize = 8;

/// Rows of a share that are worth it.
const FEWEST_ROWS: usize = 64;

impl PackedWeights {
    /// Writes the copy for blocks of `block` outputs: shares of the full blocks in parallel, then the rest.
    ///
    /// A share is some of the rows, if they are many: each thread has probably updated the rows that it reads.
    /// Otherwise it is some of the blocks.
    pub(crate) fn write(&self, cx: &Cx<'_>, b: &mut Builder, name: &str, copy: BufId, block: usize) {
        let name = format!("packed weights of {name}");
        // Blocks of which eight words can be read wherever they begin.
        let n_wide = if self.n_outputs < LANES || block > LANES { 0 } else { (self.n_outputs - LANES) / block + 1 };
        let n_full = self.n_outputs / block;
        let n_wide = n_wide.min(n_full);
        let n_rows = self.terms.last().map_or(1, |&(_, extent)| extent);
        let part = |blocks: Blocks, rows: Rows| Part { blocks, rows, to: copy };
        let wide = |b: &mut Builder, part: &Part| {
            b.nest(&name, |b| b.lanes(|b, lane| self.copy(cx, b, part, Some(lane), &mut Vec::new())));
        };
        let rows_per_share = n_rows / MOST_SHARES;
        if n_wide > 0 && rows_per_share >= FEWEST_ROWS {
            b.for_extent(MOST_SHARES, LoopKind::Parallel, |b, share| {
                let first = Affine::var(share).times(rows_per_share as i64);
                wide(b, &part(Blocks::first(n_wide, block), Rows { first, n: rows_per_share }));
            });
            let done = rows_per_share * MOST_SHARES;
            if done < n_rows {
                let rest = Rows { first: Affine::constant(done as i64), n: n_rows - done };
                wide(b, &part(Blocks::first(n_wide, block), rest));
            }
        } else if n_wide > 0 {
            let per_share = n_wide.div_ceil(MOST_SHARES);
            b.for_extent(n_wide.div_ceil(per_share), LoopKind::Parallel, |b, share| {
                let low = Affine::var(share).times(per_share as i64);
                let high = Bound(vec![low.plus_constant(per_share as i64), Affine::constant(n_wide as i64)]);
                wide(b, &part(Blocks { origin: 0, low, high, width: block }, Rows::all(n_rows)));
            });
        }
        for (first, width) in (n_wide..n_full).map(|i| (i, block)).chain([(n_full, self.n_outputs % block)]) {
            if width > 0 {
                let part = part(Blocks { origin: first * block, ..Blocks::first(1, width) }, Rows::all(n_rows));
                b.nest(&name, |b| self.copy(cx, b, &part, None, &mut Vec::new()));
            }
        }
    }

    /// Loops over the terms, which are rows of the matrix, and for each over the blocks of the part. With lanes, eight
    /// words are copied for every row but the very last ones: those beyond the block are overwritten by the rows
    /// that follow, and there must be enough of them, for behind them is the next block, or what another share
    /// writes.
    fn copy(&self, cx: &Cx<'_>, b: &mut Builder, part: &Part, lane: Option<Var>, outer: &mut Vec<Affine>) {
        let (_, extent) = self.terms[outer.len()];
        if outer.len() + 1 < self.terms.len() {
            return b.for_extent(extent, LoopKind::Serial, |b, var| {
                outer.push(Affine::var(var));
                self.copy(cx, b, part, lane, outer);
                outer.pop();
            });
        }
        let Part { blocks, rows, .. } = part;
        let n_narrow = LANES.div_ceil(blocks.width).max(2) - 1;
        let n_wide = if lane.is_some() { rows.n.saturating_sub(n_narrow) } else { 0 };
        let mut copied = |b: &mut Builder, low: usize, high: usize, lane: Option<Var>| {
            let term = b.var();
            let bound = |row: usize| Bound(vec![rows.first.plus_constant(row as i64)]);
            b.for_range(Range { var: term, low: bound(low), high: bound(high) }, LoopKind::Serial, |b| {
                let block = b.var();
                let range = Range { var: block, low: Bound(vec![blocks.low.clone()]), high: blocks.high.clone() };
                b.for_range(range, LoopKind::Serial, |b| {
                    let first = Affine::var(block).times(blocks.width as i64).plus_constant(blocks.origin as i64);
                    outer.push(Affine::var(term));
                    match lane {
                        Some(lane) => {
                            let Access { buffer, index } = self.place(part, &first, &Affine::default(), outer);
                            let index = index.plus_constant((ROWS_AHEAD * blocks.width) as i64);
                            b.push(Stmt::Fetch { from: Access { buffer, index }, n_lines: 1 });
                            self.copy_word(cx, b, part, &first, &Affine::var(lane), outer);
                        }
                        None => b.for_extent(blocks.width, LoopKind::Serial, |b, cell| {
                            self.copy_word(cx, b, part, &first, &Affine::var(cell), outer);
                        }),
                    }
                    outer.pop();
                });
            });
        };
        if n_wide > 0 {
            copied(b, 0, n_wide, lane);
        }
        copied(b, n_wide, rows.n, None);
    }

    fn copy_word(&self, cx: &Cx<'_>, b: &mut Builder, part: &Part, first: &Affine, cell: &Affine, outer: &[Affine]) {
        let source = cx.buffers.node(self.weights);
        let strides = &cx.buffers.layout(source).strides;
        let from = self.index.iter().zip(strides).fold(Affine::default(), |word, (&var, &stride)| {
            let is_output = var.0 as usize == self.axis;
            let index = if is_output { first.plus(cell) } else { self.term(var, outer) };
            word.add_scaled(&index, stride as i64)
        });
        let value = b.load(Access { buffer: source, index: from });
        b.store(self.place(part, first, cell, outer), value);
    }

    /// Where a word goes.
    fn place(&self, part: &Part, first: &Affine, cell: &Affine, outer: &[Affine]) -> Access {
        Access { buffer: part.to, index: self.word(first, part.blocks.width, cell, |term| self.term(term, outer)) }
    }

    /// Value of a reduction's variable.
    fn term(&self, term: Var, outer: &[Affine]) -> Affine {
        let position = self.terms.iter().position(|&(var, _)| var == term).expect("a term");
        outer[position].clone()
    }
}

/// Some of the words to be copied.
struct Part {
    blocks: Blocks,
    rows: Rows,
    to: BufId,
}

/// Blocks `low..high` of outputs from `origin` on.
struct Blocks {
    origin: usize,
    low: Affine,
    high: Bound,
    width: usize,
}

impl Blocks {
    fn first(n: usize, width: usize) -> Blocks {
        Blocks { origin: 0, low: Affine::default(), high: Bound::constant(n), width }
    }
}

/// Some values of the last reduction.
struct Rows {
    first: Affine,
    n: usize,
}

impl Rows {
    fn all(n: usize) -> Rows {
        Rows { first: Affine::default(), n }
    }
}
