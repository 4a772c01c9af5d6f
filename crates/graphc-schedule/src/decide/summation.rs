//! The order of sums over the batch: it follows from the graph and the batch alone, and fixes the bits of results.
//!
//! A sum over the batch is made of groups of consecutive chunks of samples: each group is a chain, and groups are
//! joined by a tree.
//!
//! In a contraction the lanes are samples or features. With samples as lanes both factors are vectors, and the lanes
//! of every cell must be joined in the end. That is little work beside the pixels of a convolution, but as much as
//! the products themselves where a dense layer's gradient sums over nothing but the batch,
//! `dw[i, j] = sum_n x[n, i] dy[n, j]`. There the lanes are eight neighbouring `j`: a matrix product of splats of `x`
//! with rows of `dy`, a copy of which is kept with samples as rows. Its sums need no joining at all: one chain over
//! all samples of a group in order.

use crate::decide::problem::Problem;
use graphc_ir::NodeId;
use graphc_ir::compute::LoadIndex;
use graphc_ir::graph::plan::Root;
use graphc_ir::index::Var;
use graphc_ir::ops::Op;
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

/// Consecutive chunks gathered into a bounded number of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) n_groups: usize,
    pub(crate) chunks_per_group: usize,
}

/// What the lanes of a contraction over the batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SummedLanes {
    /// Samples: both factors are vectors, and lanes are joined.
    Samples,
    /// Coordinates of an output axis of a sum over nothing but the batch; one factor moves along it, of which there
    /// is a copy in rows.
    Features {
        /// The axis.
        axis: Var,
        /// What is copied.
        vectors: NodeId,
        /// Which of the factors that is.
        factor: usize,
    },
}

/// How a contraction is summed over the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summation {
    pub(crate) lanes: SummedLanes,
    pub(crate) groups: Groups,
}

impl Groups {
    /// At most 32 groups, and fewer if the partial results would exceed 2^18 words.
    pub(crate) fn new(n_chunks: usize, part_len: usize) -> Groups {
        Groups::at_most((MOST_PARTIAL_WORDS / part_len.max(1)).clamp(1, MOST_GROUPS), n_chunks)
    }

    /// The groups in which partial results are added up, one for each chunk: at most 8.
    pub(crate) fn of_parts(n_parts: usize) -> Groups {
        Groups::at_most(MOST_ADDED_GROUPS, n_parts)
    }

    fn at_most(most: usize, n_chunks: usize) -> Groups {
        let chunks_per_group = n_chunks.div_ceil(n_chunks.min(most).max(1)).max(1);
        Groups { n_groups: n_chunks.div_ceil(chunks_per_group), chunks_per_group }
    }

    /// The groups for sums whose lanes are features: of at least 256 samples, and a single one unless there are
    /// enough.
    fn of_rows(n_chunks: usize, part_len: usize) -> Groups {
        let most = (n_chunks / FEWEST_CHUNKS_OF_ROWS).min(MOST_PARTIAL_WORDS / part_len.max(1)).min(MOST_GROUPS);
        Groups::at_most(if most >= FEWEST_GROUPS { most } else { 1 }, n_chunks)
    }

    /// Whether there are enough of them for threads to share.
    pub(crate) fn are_enough(self) -> bool {
        self.n_groups >= FEWEST_GROUPS
    }
}

impl Summation {
    /// The order in which the contraction `root` is summed over the batch.
    pub(crate) fn of(problem: &Problem<'_>, root: Root) -> Summation {
        let part_len = part_len(problem, root);
        let lanes = SummedLanes::of(problem, root.node());
        let groups = match lanes {
            SummedLanes::Samples => Groups::new(problem.n_chunks(), part_len),
            SummedLanes::Features { .. } => Groups::of_rows(problem.n_chunks(), part_len),
        };
        Summation { lanes, groups }
    }
}

impl SummedLanes {
    fn of(problem: &Problem<'_>, node: NodeId) -> SummedLanes {
        SummedLanes::features(problem, node).unwrap_or(SummedLanes::Samples)
    }

    /// Features, if the contraction is `out[i, j] = sum_n x[n, i] y[n, j]` with at least 8 `j`.
    fn features(problem: &Problem<'_>, node: NodeId) -> Option<SummedLanes> {
        let form = problem.contraction(node);
        let contraction = form.as_contraction()?;
        let (&[_, n_features], [red]) = (form.extents.as_slice(), form.reds.as_slice()) else { return None };
        if !red.is_batch || n_features < LANES {
            return None;
        }
        let [row, axis] = [Var(0), Var(1)];
        let is_plain = |index: &[LoadIndex], axis: Var| match index {
            [sample, feature] => [sample, feature].map(|i| i.value.as_var()) == [Some(red.var), Some(axis)],
            _ => false,
        };
        let [(a, a_index), (b, b_index)] = [contraction.a, contraction.b];
        let (slot, factor) = match () {
            () if is_plain(a_index, row) && is_plain(b_index, axis) => (b, 1),
            () if is_plain(a_index, axis) && is_plain(b_index, row) => (a, 0),
            () => return None,
        };
        let vectors = problem.graph.operands(node)[slot];
        // A copy is made where a value is computed.
        let is_computed = !matches!(problem.graph.op(vectors), Op::Input(_) | Op::Parameter(_));
        is_computed.then_some(SummedLanes::Features { axis, vectors, factor })
    }
}

/// Words of one part of a sum over the batch.
pub(crate) fn part_len(problem: &Problem<'_>, root: Root) -> usize {
    let space = PointDag::space(problem.graph, problem.forms, root);
    space.extents[..space.n_kept].iter().product::<usize>().max(1).next_multiple_of(CHUNK)
}
