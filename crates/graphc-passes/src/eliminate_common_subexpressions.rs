//! `eliminate_common_subexpressions`: computes equal things once.
//!
//! Input: any graph. Output: of several nodes with the same op, attributes and operands, the first
//! in topological order is kept and read instead of the others, which become dead. If only the
//! other one has a name, the kept node takes it; of their origins it takes the one earlier in the step.
//! Must hold: inputs and parameters are never merged, however alike they are; a random mask is a
//! function of its attributes and operands like every other op.
//!
//! ```text
//! %2 = exp(%1)             %2 = exp(%1)
//! %3 = exp(%1)        =>   %4 = add(%2, %2)
//! %4 = add(%2, %3)
//! ```

use crate::report::{Report, label};
use graphc_ir::attrs::AttrWords;
use graphc_ir::graph::{Graph, NodeId, NodeIds};
use graphc_ir::ops::Op;
use rustc_hash::FxBuildHasher;
use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};

/// See the module.
pub fn run(graph: &mut Graph) -> Report {
    let mut report = Report::unchanged();
    let mut seen: HashMap<(Discriminant<Op>, AttrWords, NodeIds), NodeId, FxBuildHasher> = HashMap::default();
    for id in graph.topo_order() {
        if matches!(graph.op(id), Op::Input(_) | Op::Parameter(_)) {
            continue;
        }
        let key = (discriminant(graph.op(id)), graph.op(id).words(), graph.operands(id));
        let Some(&kept) = seen.get(&key) else {
            seen.insert(key, id);
            continue;
        };
        report.change(format!("{} is {}", label(graph, id), label(graph, kept)));
        graph.replace_uses(id, kept);
        if graph.node(kept).name.is_empty() {
            graph.node_mut(kept).name = std::mem::take(&mut graph.node_mut(id).name);
        }
        // The kept node is what its earliest purpose says: forward before gradient before update.
        if graph.node(id).origin.role < graph.node(kept).origin.role {
            graph.node_mut(kept).origin = graph.node(id).origin.clone();
        }
        graph.remove(id);
    }
    report
}
