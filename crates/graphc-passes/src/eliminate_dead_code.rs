//! `eliminate_dead_code`: removes nodes that no output, update or loss depends on.
//!
//! Input: any graph. Output: the same graph without unread nodes. Named inputs and parameters
//! stay, read or not: they are the interface of the graph and the content of weight files.
//! Must hold: every root keeps its value.
//!
//! ```text
//! %2 = relu(%1)            %2 = relu(%1)
//! %3 = neg(%2)        =>   return %2
//! return %2
//! ```

use crate::report::{Report, label};
use graphc_ir::graph::Graph;
use graphc_ir::ops::Op;

/// See the module.
pub fn run(graph: &mut Graph) -> Report {
    let mut report = Report::unchanged();
    for id in graph.topo_order().into_iter().rev() {
        let is_leaf = matches!(graph.op(id), Op::Input(_) | Op::Parameter(_));
        let is_interface = is_leaf && !graph.node(id).name.is_empty();
        if !is_interface && !graph.is_root(id) && !graph.has_users(id) {
            report.change(format!("removed {}", label(graph, id)));
            graph.remove(id);
        }
    }
    report
}
