//! How many reductions over the batch lie before each node.

use graphc_ir::form::{Form, Forms};
use graphc_ir::graph::{Graph, NodeId};
use std::collections::BTreeMap;

/// Whether the node sums over the batch.
pub(super) fn reduces_batch(graph: &Graph, form: &Form, node: NodeId) -> bool {
    match form {
        Form::Leaf => false,
        Form::Point(point) => point.reduces_batch(),
        Form::Variance { axes } => {
            graph.ty(graph.operands(node)[0]).shape.batch_axis().is_some_and(|axis| axes.contains(&axis))
        }
    }
}

/// Number of batch reductions on the longest path to each node, itself excluded.
pub(super) type Levels = BTreeMap<NodeId, usize>;

/// Computes [`Levels`].
pub(super) fn levels(graph: &Graph, forms: &Forms) -> Levels {
    let mut levels = Levels::new();
    for node in graph.topo_order() {
        let available =
            |operand: &NodeId| levels[operand] + usize::from(reduces_batch(graph, &forms[operand], *operand));
        let level = graph.operands(node).iter().map(available).max().unwrap_or(0);
        levels.insert(node, level);
    }
    levels
}
