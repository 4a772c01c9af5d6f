//! Tasks: some consecutive chunks of samples.

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
