//! Gives every output and every update a node of its own.
//!
//! Input: any graph. Output: the same values; an output that is a leaf, or shares its node with another
//! output or an update, reads it through an identity `broadcast` instead, so that each has one buffer with
//! one purpose. Must hold afterwards: no canonicalisation, which would remove the identities.
//!
//! ```text
//! output a = %3     becomes   %4 = broadcast(%3), output a = %3, output b = %4
//! output b = %3
//! ```

use crate::Report;
use graphc_ir::form::Form;
use graphc_ir::graph::{Graph, Node, NodeId};
use graphc_ir::ops::{Broadcast, Op};
use std::collections::BTreeSet;

/// See the module.
pub fn run(graph: &mut Graph) -> Report {
    let mut report = Report::default();
    let mut taken = BTreeSet::new();
    for i in 0..graph.updates.len() {
        let value = graph.updates[i].value;
        if is_leaf(graph, value) || !taken.insert(value) {
            let copy = identity(graph, value, &mut report);
            graph.updates.set_value(i, copy);
            taken.insert(copy);
        }
    }
    for i in 0..graph.outputs.len() {
        let node = graph.outputs[i].node;
        if is_leaf(graph, node) || !taken.insert(node) {
            let copy = identity(graph, node, &mut report);
            graph.outputs.set_value(i, copy);
            taken.insert(copy);
        }
    }
    report
}

fn is_leaf(graph: &Graph, node: NodeId) -> bool {
    let leaf = matches!(graph.op(node), Op::Input(_) | Op::Parameter(_) | Op::Literal(_));
    debug_assert!(!leaf || graph.batch.is_none() || Form::of(graph, node) == Form::Leaf);
    leaf
}

fn identity(graph: &mut Graph, node: NodeId, report: &mut Report) -> NodeId {
    let ty = graph.ty(node).clone();
    let op = Broadcast { shape: ty.shape.clone() }.into();
    let origin = graph.node(node).origin.clone();
    report.change(format!("{node} gets a copy of its own"));
    graph.add_node(Node { op, ty, name: String::new(), origin }, &[node])
}
