//! Which lanes a contraction over the batch has: samples, or features of one factor.
//!
//! With samples as lanes both factors are vectors, and the lanes of every cell must be joined in the end. That is
//! little work beside the pixels of a convolution, but as much as the products themselves where a dense layer's
//! gradient sums over nothing but the batch, `dw[i, j] = sum_n x[n, i] dy[n, j]`. There the lanes are eight
//! neighbouring `j`: a matrix product of splats of `x` with rows of `dy`, a copy of which is kept with samples as rows
//! ([`Rows`](crate::memory::buffers::Rows)). Its sums need no joining at all: one chain over all samples in order.

use graphc_ir::NodeId;
use graphc_ir::compute::LoadIndex;
use graphc_ir::form::Form;
use graphc_ir::graph::Graph;
use graphc_ir::index::Var;
use graphc_ir::ops::Op;
use graphc_ir::scalar::LANES;

/// A contraction `out[i, j] = sum_n x[n, i] y[n, j]` over the batch alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FeatureLanes {
    /// `y`, whose second axis is the lanes.
    pub(crate) vectors: NodeId,
    /// Whether `y` is the first factor.
    pub(crate) is_first: bool,
    /// Extent of `j`, at least 8.
    pub(crate) n_features: usize,
}

impl FeatureLanes {
    /// The axis `j`.
    pub(crate) const FEATURE: Var = Var(1);

    /// The lanes of `node`, if they are features.
    pub(crate) fn of(graph: &Graph, form: &Form, node: NodeId) -> Option<FeatureLanes> {
        let form = form.as_point()?;
        let contraction = form.as_contraction()?;
        let (&[_, n_features], [red]) = (form.extents.as_slice(), form.reds.as_slice()) else { return None };
        if !red.is_batch || n_features < LANES {
            return None;
        }
        let is_plain = |index: &[LoadIndex], axis: Var| match index {
            [sample, feature] => [sample, feature].map(|i| i.value.as_var()) == [Some(red.var), Some(axis)],
            _ => false,
        };
        let [(a, a_index), (b, b_index)] = [contraction.a, contraction.b];
        let (slot, is_first) = match () {
            () if is_plain(a_index, Var(0)) && is_plain(b_index, Self::FEATURE) => (b, false),
            () if is_plain(a_index, Self::FEATURE) && is_plain(b_index, Var(0)) => (a, true),
            () => return None,
        };
        let vectors = graph.operands(node)[slot];
        // A copy is made where a value is computed.
        let is_computed = !matches!(graph.op(vectors), Op::Input(_) | Op::Parameter(_));
        is_computed.then_some(FeatureLanes { vectors, is_first, n_features })
    }
}
