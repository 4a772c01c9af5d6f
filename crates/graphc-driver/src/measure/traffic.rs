//! Bytes that a kernel reads and writes at least, counted in its loops.
//!
//! Every buffer counts once for reading and once for writing, however often the kernel goes over it: what a
//! cache large enough for the kernel would have to move. Of a buffer that is touched in part, the words
//! between the first and the last touched one count.

use graphc_ir::index::{Affine, Atom, Var};
use graphc_ir::loops::{Access, Bound, BufId, Expr, Kernel, Program, Range, Stmt, TileInit};
use graphc_ir::scalar::LANES;
use std::collections::BTreeMap;

/// Memory that a kernel touches.
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

/// First and last value.
type Interval = (i64, i64);

/// What one kernel reads and writes.
pub fn traffic(program: &Program, kernel: &Kernel) -> Traffic {
    let mut counter = Counter::default();
    counter.block(&kernel.body);
    let bytes = |touched: &BTreeMap<BufId, Interval>| {
        let words = |(&buffer, &(first, last)): (&BufId, &Interval)| {
            let len = program.buffer(buffer).layout.len() as i64;
            usize::try_from(last.min(len - 1) - first.max(0) + 1).unwrap_or(0)
        };
        size_of::<f32>() * touched.iter().map(words).sum::<usize>()
    };
    Traffic { read_bytes: bytes(&counter.read), written_bytes: bytes(&counter.written) }
}

/// Ranges of the variables seen so far, and of the words touched.
#[derive(Default)]
struct Counter {
    vars: BTreeMap<Var, Interval>,
    read: BTreeMap<BufId, Interval>,
    written: BTreeMap<BufId, Interval>,
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
                if self.enter(range) {
                    self.block(body);
                }
            }
            Stmt::Lanes { var, body } => {
                self.vars.insert(*var, (0, LANES as i64 - 1));
                self.block(body);
            }
            Stmt::LetIndex { var, value } => {
                let interval = self.interval(value);
                self.vars.insert(*var, interval);
            }
            Stmt::Let { expr: Expr::Load(access), .. } => self.touch(access, false),
            Stmt::Let { .. } | Stmt::Set { .. } => {}
            Stmt::Store { to, .. } => self.touch(to, true),
            Stmt::Tile(tile) => {
                for &(var, extent) in &tile.grid {
                    self.vars.insert(var, (0, extent as i64 - 1));
                }
                if tile.reds.iter().all(|range| self.enter(range)) {
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

    /// Notes the range of a loop variable; false if the loop never runs.
    fn enter(&mut self, range: &Range) -> bool {
        let values = |bound: &Bound| bound.0.iter().map(|affine| self.interval(affine)).collect::<Vec<_>>();
        let low = values(&range.low).into_iter().map(|(first, _)| first).max().unwrap_or(0);
        let high = values(&range.high).into_iter().map(|(_, last)| last).min().unwrap_or(0);
        self.vars.insert(range.var, (low, high - 1));
        low < high
    }

    fn touch(&mut self, access: &Access, writes: bool) {
        let (first, last) = self.interval(&access.index);
        let touched = if writes { &mut self.written } else { &mut self.read };
        let words = touched.entry(access.buffer).or_insert((first, last));
        *words = (words.0.min(first), words.1.max(last));
    }

    /// Values an expression can take, each term by itself.
    fn interval(&self, affine: &Affine) -> Interval {
        affine.terms.iter().fold((affine.offset, affine.offset), |(first, last), (atom, coefficient)| {
            let (low, high) = match atom {
                Atom::Var(var) => self.vars.get(var).copied().unwrap_or((0, 0)),
                Atom::Div(inner, divisor) => {
                    let (low, high) = self.interval(inner);
                    (low.div_euclid(*divisor), high.div_euclid(*divisor))
                }
                Atom::Mod(inner, divisor) => {
                    let (low, high) = self.interval(inner);
                    if low >= 0 && high < *divisor { (low, high) } else { (0, divisor - 1) }
                }
            };
            let (a, b) = (coefficient * low, coefficient * high);
            (first + a.min(b), last + a.max(b))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `b0` is read from word 4 to 23, twice over; `b1` is written at every second word up to the 19th; the second
    /// loop never runs.
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
        let touched = traffic(&program, &program.kernels[0]);
        assert_eq!(touched, Traffic { read_bytes: 4 * 20, written_bytes: 4 * 19 });
        assert_eq!(touched.bytes(), 156);
    }
}
