//! The expressions of a contraction's epilogue, over variables with the numbers of the form's axes.

use graphc_ir::NodeId;
use graphc_ir::form::PointForm;
use graphc_ir::point::{ExprId, PointDag, PointExpr};
use graphc_ir::split::Split;

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
