//! Where the accumulators of a nest wait in memory.

use crate::memory::buffers::Waiting;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, BufId};
use graphc_ir::scalar::LANES;

/// The accumulators that wait for a nest: those of all coordinates of some axes, and of the cells of the register
/// grid at hand.
#[derive(Clone, Debug)]
pub(super) struct Accumulators {
    /// Output axes and their extents, outermost first.
    pub(super) axes: Vec<(Var, usize)>,
    pub(super) buffer: BufId,
    first: Affine,
    /// Of how many outputs the sums of groups wait behind the accumulators.
    n_sums: usize,
}

impl Accumulators {
    /// The accumulators of all coordinates of `axes` for the nest that has share number `share` of the memory.
    pub(super) fn new(waiting: Waiting, axes: Vec<(Var, usize)>, share: &Affine) -> Accumulators {
        let first = share.times(waiting.share_words as i64);
        Accumulators { axes, buffer: waiting.buffer, first, n_sums: 0 }
    }

    /// With room for sums of groups of chunks, of so many outputs.
    pub(super) fn with_sums(self, n_sums: usize) -> Accumulators {
        Accumulators { n_sums, ..self }
    }

    /// Where the sum of a group waits.
    pub(super) fn sum(&self, group: &Affine, number: &Affine) -> Access {
        let first = self.first.plus_constant((self.n_sums * LANES) as i64);
        let index = first.add_scaled(group, self.n_sums as i64).plus(number);
        Access { buffer: self.buffer, index }
    }

    pub(super) fn vector(&self, number: &Affine, lane: Var) -> Access {
        let index = self.first.add_scaled(number, LANES as i64).plus(&Affine::var(lane));
        Access { buffer: self.buffer, index }
    }
}
