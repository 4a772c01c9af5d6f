//! Chunks of samples gathered into groups: the parts of which sums over the batch are made.

use crate::decide::lanes::FeatureLanes;
use graphc_ir::form::Forms;
use graphc_ir::graph::Graph;
use graphc_ir::graph::plan::Root;
use graphc_ir::point::PointDag;
use graphc_ir::scalar::{CHUNK, LANES};

/// Fewer groups of chunks than this leave threads without work: then blocks of the result are shared.
const FEWEST_GROUPS: usize = 4;

/// Most groups of chunks.
const MOST_GROUPS: usize = 32;

/// Most groups of what a sweep leaves for every chunk.
const MOST_ADDED_GROUPS: usize = 8;

/// Chunks below which a chain of sums over rows is too short to pay for a partial result.
const FEWEST_CHUNKS_OF_ROWS: usize = 16;

/// Words of all partial results of one sum at most.
const MOST_PARTIAL_WORDS: usize = 1 << 18;

/// Words of accumulators that may wait while a group takes the next chunk: an eighth of a core's own cache of 1 MiB.
const MOST_WAITING_WORDS: usize = 1 << 15;

/// Most shares that the blocks of a result are cut into.
pub(crate) const MOST_SHARES: usize = 32;

/// Consecutive chunks gathered into a bounded number of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) n_groups: usize,
    pub(crate) chunks_per_group: usize,
    /// Whether a group takes all that one chunk adds before the next chunk, while the accumulators wait in memory:
    /// they are fewer than what the chunks bring along.
    pub(crate) accumulators_wait: bool,
}

impl Groups {
    /// At most 32 groups, and fewer if the partial results would exceed 2^18 words.
    pub(crate) fn new(n_chunks: usize, part_len: usize) -> Groups {
        let groups = Groups::at_most((MOST_PARTIAL_WORDS / part_len.max(1)).clamp(1, MOST_GROUPS), n_chunks);
        let accumulators_wait = groups.chunks_per_group > 1 && part_len * LANES <= MOST_WAITING_WORDS;
        Groups { accumulators_wait, ..groups }
    }

    /// The groups in which partial results are added up, one for each chunk: at most 8.
    pub(crate) fn of_parts(n_parts: usize) -> Groups {
        Groups::at_most(MOST_ADDED_GROUPS, n_parts)
    }

    fn at_most(most: usize, n_chunks: usize) -> Groups {
        let chunks_per_group = n_chunks.div_ceil(n_chunks.min(most).max(1)).max(1);
        Groups { n_groups: n_chunks.div_ceil(chunks_per_group), chunks_per_group, accumulators_wait: false }
    }

    /// The groups for the contraction `root` over the batch.
    pub(crate) fn of(graph: &Graph, forms: &Forms, root: Root) -> Groups {
        let batch = graph.batch.expect("the graph is specialised");
        let (n_chunks, part_len) = (batch.div_ceil(CHUNK), part_len(graph, forms, root));
        match FeatureLanes::of(graph, &forms[&root.node()], root.node()) {
            None => Groups::new(n_chunks, part_len),
            Some(_) => Groups::of_rows(n_chunks, part_len),
        }
    }

    /// The groups for sums whose lanes are features: of at least 256 samples, and a single one unless there are enough.
    fn of_rows(n_chunks: usize, part_len: usize) -> Groups {
        let most = (n_chunks / FEWEST_CHUNKS_OF_ROWS).min(MOST_PARTIAL_WORDS / part_len.max(1)).min(MOST_GROUPS);
        Groups::at_most(if most >= FEWEST_GROUPS { most } else { 1 }, n_chunks)
    }

    /// Whether there are enough of them for threads to share.
    pub(crate) fn are_enough(self) -> bool {
        self.n_groups >= FEWEST_GROUPS
    }

    /// Nests of one contraction over the batch that may run at the same time: one for each group, or shares of its
    /// result.
    pub(crate) fn n_shares(self) -> usize {
        if self.are_enough() { self.n_groups } else { MOST_SHARES }
    }
}

/// Words of one part of a sum over the batch.
pub(crate) fn part_len(graph: &Graph, forms: &Forms, root: Root) -> usize {
    let space = PointDag::space(graph, forms, root);
    space.extents[..space.n_kept].iter().product::<usize>().max(1).next_multiple_of(CHUNK)
}
