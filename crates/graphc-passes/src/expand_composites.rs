//! `expand_before_autodiff` and `expand_after_autodiff`: composites in terms of primitive ops.
//!
//! Input: a graph whose mode is set. Output: no composite of that kind is left; names and outputs
//! of a composite move to the value it is replaced by. Which kind a composite is, it says itself
//! (`OpRules::composite`): before autodiff those whose expansion depends on the mode (`batch_norm`,
//! `dropout`) or whose parts have the right gradients (losses), after autodiff those with a better
//! gradient of their own (`softmax`, `normalize`).
//! Must hold: the value stays the same up to rounding. In training mode batch normalisation adds
//! updates of its moving statistics.
//!
//! ```text
//! %2 = softmax(%1)    =>   %2 = reduce_max(%1); %3 = sub(%1, %2); %4 = exp(%3); …
//! ```

use crate::report::{Report, label};
use graphc_ir::graph::{Graph, NodeId, OpCx};
use graphc_ir::ops::Expand;

/// Expands composites of kind [`Expand::BeforeAutodiff`].
pub fn before_autodiff(graph: &mut Graph) -> Report {
    expand_all(graph, Expand::BeforeAutodiff)
}

/// Expands composites of kind [`Expand::AfterAutodiff`].
pub fn after_autodiff(graph: &mut Graph) -> Report {
    expand_all(graph, Expand::AfterAutodiff)
}

/// Expands until none is left, because an expansion may contain composites.
fn expand_all(graph: &mut Graph, kind: Expand) -> Report {
    let mut report = Report::unchanged();
    let Some(mode) = graph.mode else {
        report.refuse("the graph's mode is not set");
        return report;
    };
    loop {
        let order = graph.topo_order();
        let composites: Vec<NodeId> = order.into_iter().filter(|&id| composite(graph, id) == Some(kind)).collect();
        if composites.is_empty() {
            return report;
        }
        for id in composites {
            let op = graph.op(id).clone();
            let value = op.expand(&mut OpCx::new(graph, id, mode, None));
            assert_ne!(value, id, "{} expands to itself", op.name());
            report.change(format!("expanded {}", label(graph, id)));
            graph.replace_uses(id, value);
            if graph.node(value).name.is_empty() {
                graph.node_mut(value).name = std::mem::take(&mut graph.node_mut(id).name);
            }
            graph.remove(id);
        }
    }
}

/// When the node is to be expanded, if it is a composite.
fn composite(graph: &Graph, id: NodeId) -> Option<Expand> {
    graph.op(id).composite(&graph.operand_types(id))
}
