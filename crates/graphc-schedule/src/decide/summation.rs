//! The order of sums over the batch: it follows from the graph and the batch alone, and fixes the bits of results.
//!
//! A sum over the batch is made of groups of consecutive chunks of samples: each group is a chain, and groups are
//! joined by a balanced tree. How long groups are follows from the batch alone ([`Groups::of`]), whatever is summed
//! and however large the result.
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

/// Chunks up to which each is a group of its own: then threads share few samples.
const MOST_ALONE: usize = 4;

/// Binary logarithm of the chunks of the longest groups.
const LONGEST: u32 = 4;

/// Groups of consecutive chunks, each of a power of two of them but for the last, which may be shorter: whoever has
/// some aligned groups has whole branches of the tree.
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
    /// The groups of every sum over that many chunks. They are many enough for 4 threads to share 8 chunks and 64
    /// machines to share 1,024; with 256 samples they are long enough (64 samples) that joining them costs a dense
    /// layer's gradient little.
    pub(crate) fn of(n_chunks: usize) -> Groups {
        let exponent = if n_chunks <= MOST_ALONE { 0 } else { n_chunks.ilog2().div_ceil(3).min(LONGEST) };
        let chunks_per_group = 1 << exponent;
        Groups { n_groups: n_chunks.div_ceil(chunks_per_group), chunks_per_group }
    }
}

impl Summation {
    /// The order in which the contraction `root` is summed over the batch.
    pub(crate) fn of(problem: &Problem<'_>, root: Root) -> Summation {
        Summation { lanes: SummedLanes::of(problem, root.node()), groups: Groups::of(problem.n_chunks()) }
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
        let (vectors, factor) = match () {
            () if is_plain(a_index, row) && is_plain(b_index, axis) => (b, 1),
            () if is_plain(a_index, axis) && is_plain(b_index, row) => (a, 0),
            () => return None,
        };
        // A copy is made where a value is computed.
        let is_computed = !matches!(problem.graph.op(vectors), Op::Input(_) | Op::Parameter(_) | Op::Literal(_));
        is_computed.then_some(SummedLanes::Features { axis, vectors, factor })
    }
}

/// Words of one part of a sum over the batch.
pub(crate) fn part_len(problem: &Problem<'_>, root: Root) -> usize {
    let space = PointDag::space(problem.graph, problem.forms, root);
    space.extents[..space.n_kept].iter().product::<usize>().max(1).next_multiple_of(CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_enough_to_share_and_long_enough_to_pay() {
        let of = |n_chunks| {
            let Groups { n_groups, chunks_per_group } = Groups::of(n_chunks);
            (n_groups, chunks_per_group)
        };
        let chunks = [1, 2, 4, 5, 8, 15, 16, 64, 127, 128, 1023, 1024, 6250];
        let groups = [
            (1, 1),
            (2, 1),
            (4, 1),
            (3, 2),
            (4, 2),
            (8, 2),
            (4, 4),
            (16, 4),
            (32, 4),
            (16, 8),
            (128, 8),
            (64, 16),
            (391, 16),
        ];
        assert_eq!(chunks.map(of), groups);
    }
}
