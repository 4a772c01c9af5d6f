//! What becomes of a contraction's sums: the expressions of its epilogue, or of an update, over variables with the
//! numbers of the form's axes.

use graphc_ir::NodeId;
use graphc_ir::form::PointForm;
use graphc_ir::graph::plan::Root;
use graphc_ir::point::{ExprId, PointDag, PointExpr};
use graphc_ir::split::Split;
use std::collections::BTreeSet;

/// What the tiles of a gradient do with whole sums.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    /// Values to be computed, the gradient's own among them if it is one.
    pub(crate) roots: Vec<Root>,
    /// Those that are stored.
    pub(crate) stored: BTreeSet<NodeId>,
}

/// Declares the axes and reductions of a form as variables of a fresh dag, under the same numbers.
pub(crate) fn declare_axes(dag: &mut PointDag<'_>, form: &PointForm) {
    for extent in form.extents.iter().copied().chain(form.reds.iter().map(|red| red.extent)) {
        dag.new_var(extent);
    }
}

/// The result of a contraction and the value at the end of its epilogue, at the contraction's axes.
pub(crate) fn epilogue(dag: &mut PointDag<'_>, split: &Split, node: NodeId, end: NodeId) -> (ExprId, ExprId) {
    let axes = &split.result;
    let result = dag.intern(PointExpr::Joined(node));
    if end == node {
        return (result, result);
    }
    let own = dag.own_index(node, axes);
    dag.give(node, own, result);
    let index = dag.own_index(end, axes);
    (result, dag.define(end, index))
}

impl Update {
    /// The sum over the batch, and the values of the roots, at the contraction's axes.
    pub(crate) fn define(&self, dag: &mut PointDag<'_>, split: &Split, node: NodeId) -> (ExprId, Vec<ExprId>) {
        let sum = dag.intern(PointExpr::Joined(node));
        (sum, self.roots.iter().map(|&root| dag.root(root, &split.result)).collect())
    }
}
