//! Bytes that a phase of a kernel reads and writes at least, counted in its loops.
//!
//! Every buffer counts once for reading and once for writing, however often the phase goes over it: what a
//! cache large enough for the phase would have to move. Of a buffer that is touched in part, the words
//! between the first and the last touched one count, but no more of them than loads or stores can reach. Phases run
//! one after another, so a kernel moves the sum.

use crate::ranges::Ranges;
use graphc_ir::loops::{Access, BufId, Expr, Program, Stmt, TileInit};
use graphc_ir::scalar::LANES;
use graphc_ir::types::WORD_BYTES;
use std::collections::BTreeMap;
use std::iter::Sum;

/// Memory that is touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes read.
    pub read_bytes: usize,
    /// Bytes written.
    pub written_bytes: usize,
}

impl Traffic {
    /// Bytes read and written.
    pub fn bytes(self) -> usize {
        self.read_bytes + self.written_bytes
    }
}

impl Sum for Traffic {
    fn sum<I: Iterator<Item = Traffic>>(parts: I) -> Traffic {
        parts.fold(Traffic::default(), |sum, part| Traffic {
            read_bytes: sum.read_bytes + part.read_bytes,
            written_bytes: sum.written_bytes + part.written_bytes,
        })
    }
}

/// What some statements of a kernel read and write together.
pub fn traffic(program: &Program, stmts: &[Stmt]) -> Traffic {
    let mut counter = Counter::default();
    counter.block(stmts);
    let bytes = |touched: &BTreeMap<BufId, Touched>| {
        let words = |(&buffer, touched): (&BufId, &Touched)| {
            let len = program.buffer(buffer).layout.len() as i64;
            let between = usize::try_from(touched.last.min(len - 1) - touched.first.max(0) + 1).unwrap_or(0);
            between.min(touched.n_words)
        };
        WORD_BYTES * touched.iter().map(words).sum::<usize>()
    };
    Traffic { read_bytes: bytes(&counter.read), written_bytes: bytes(&counter.written) }
}

/// Words of a buffer that are touched.
struct Touched {
    first: i64,
    last: i64,
    /// How many at most.
    n_words: usize,
}

/// Ranges of the variables seen so far, and the words touched.
#[derive(Default)]
struct Counter {
    ranges: Ranges,
    read: BTreeMap<BufId, Touched>,
    written: BTreeMap<BufId, Touched>,
}

impl Counter {
    fn block(&mut self, stmts: &[Stmt]) {
        for stmt in stmts {
            self.stmt(stmt);
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Nest { body, .. } => self.block(body),
            Stmt::For { range, body, .. } => {
                if self.ranges.enter(range) > 0 {
                    self.block(body);
                }
            }
            Stmt::Lanes { var, body } => {
                self.ranges.count(*var, LANES);
                self.block(body);
            }
            Stmt::LetIndex { var, value } => self.ranges.define(*var, value),
            Stmt::ClampIndex { var, extent, .. } => self.ranges.count(*var, *extent),
            Stmt::LoadIndex { var, from, extent } => {
                self.touch(from, false);
                self.ranges.count(*var, *extent);
            }
            Stmt::Let { expr: Expr::Load(access), .. } => self.touch(access, false),
            Stmt::Let { .. } | Stmt::Set { .. } | Stmt::Fetch { .. } => {}
            Stmt::Store { to, .. } => self.touch(to, true),
            Stmt::Tile(tile) => {
                for &(var, extent) in &tile.grid {
                    self.ranges.count(var, extent);
                }
                if tile.reds.iter().all(|range| self.ranges.enter(range) > 0) {
                    self.touch(&tile.a, false);
                    self.touch(&tile.b, false);
                }
                if let TileInit::Load(access) = &tile.init {
                    self.touch(access, false);
                }
                self.block(&tile.epilogue);
            }
        }
    }

    fn touch(&mut self, access: &Access, writes: bool) {
        let (first, last) = self.ranges.of(&access.index);
        let n_words = self.ranges.n_values(&access.index);
        let touched = if writes { &mut self.written } else { &mut self.read };
        let words = touched.entry(access.buffer).or_insert(Touched { first, last, n_words: 0 });
        (words.first, words.last) = (words.first.min(first), words.last.max(last));
        words.n_words = words.n_words.saturating_add(n_words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `b0` is read from word 4 to 23, ten and ten words; `b1` is written at every second word up to the 19th; the
    /// second loop never runs.
    const PROGRAM: &str = r#"program "p" (batch=1, arena=96) {
buffer b0: f32 input "x" [40] strides=[1] chunk=40 len=48 @0
buffer b1: f32 output "y" [40] strides=[1] chunk=40 len=48 @48
kernel "k0" { nest "n" {
  for i0 in 0..10 {
    v0 = load b0[i0 + 4]
    v1 = load b0[2*i0 + 4 + ((i0) / 9)]
    v2 = add v0, v1
    store b1[2*i0] = v2
  }
  for i1 in 3..2 {
    v3 = load b0[i1 + 30]
    store b1[i1 + 30] = v3
  }
} } }"#;

    #[test]
    fn a_buffer_counts_once() {
        let program = graphc_ir::loops::parse::parse(PROGRAM).unwrap();
        let touched = traffic(&program, &program.kernels[0].body);
        assert_eq!(touched, Traffic { read_bytes: 4 * 20, written_bytes: 4 * 10 });
        assert_eq!(touched.bytes(), 120);
        assert_eq!([touched, touched].into_iter().sum::<Traffic>().bytes(), 240);
    }
}
