//! Tasks: some consecutive chunks of samples.

use crate::decide::cut::Cut;
use crate::write::builder::Builder;
use crate::write::expr::Cx;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Bound, LoopKind, Range};

/// Consecutive chunks of a task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    /// Number of the task.
    pub(crate) number: Var,
    /// Chunks of every task but the last.
    pub(crate) n_chunks: usize,
}

/// The share of a nest that a task of a cut chunk computes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// Its number.
    pub(crate) number: Var,
    pub(crate) cut: Cut,
}

impl Share {
    /// First turn or block of the share, and the one behind its last, of those from `n_before` on.
    pub(crate) fn bounds(self, n_before: usize, n: usize) -> (Bound, Bound) {
        let Cut { per_share, n_shares, .. } = self.cut;
        let first = Affine::var(self.number).times(per_share as i64).plus_constant(-(n_before as i64));
        let mut high = vec![first.plus_constant(per_share as i64)];
        if per_share * n_shares > n_before + n {
            high.push(Affine::constant(n as i64));
        }
        let low = if n_before == 0 { vec![first] } else { vec![Affine::constant(0), first] };
        (Bound(low), Bound(high))
    }
}

impl Task {
    /// Writes something for every chunk.
    pub(crate) fn each_chunk(self, cx: &Cx<'_>, b: &mut Builder, write: impl FnOnce(&mut Builder, Var)) {
        if self.n_chunks == 1 {
            return write(b, self.number);
        }
        let chunk = b.var();
        b.for_range(self.chunks(cx, chunk), LoopKind::Serial, |b| write(b, chunk));
    }

    /// Its chunks.
    pub(crate) fn chunks(self, cx: &Cx<'_>, chunk: Var) -> Range {
        let low = Affine::var(self.number).times(self.n_chunks as i64);
        let mut high = vec![low.plus_constant(self.n_chunks as i64)];
        if !cx.n_chunks().is_multiple_of(self.n_chunks) {
            high.push(Affine::constant(cx.n_chunks() as i64));
        }
        Range { var: chunk, low: Bound(vec![low]), high: Bound(high) }
    }
}
