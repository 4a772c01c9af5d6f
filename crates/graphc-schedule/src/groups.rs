//! Chunks of samples gathered into groups: the parts of which sums over the batch are made.

/// Fewer groups of chunks than this leave threads without work: then blocks of the result are shared.
const FEWEST_GROUPS: usize = 4;

/// Most shares that the blocks of a result are cut into.
pub(crate) const MOST_SHARES: usize = 32;

/// Consecutive chunks gathered into a bounded number of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) n_groups: usize,
    pub(crate) chunks_per_group: usize,
}

impl Groups {
    /// At most 8 groups, and fewer if the partial results would exceed 2^18 words.
    pub(crate) fn new(n_chunks: usize, part_len: usize) -> Groups {
        let most = ((1 << 18) / part_len.max(1)).clamp(1, 8);
        let chunks_per_group = n_chunks.div_ceil(n_chunks.min(most).max(1)).max(1);
        Groups { n_groups: n_chunks.div_ceil(chunks_per_group), chunks_per_group }
    }

    /// Whether there are enough of them for threads to share.
    pub(crate) fn are_enough(self) -> bool {
        self.n_groups >= FEWEST_GROUPS
    }

    /// Nests of one contraction over the batch that may run at the same time: one for each group, or shares of its result.
    pub(crate) fn n_shares(self) -> usize {
        if self.are_enough() { self.n_groups } else { MOST_SHARES }
    }
}
