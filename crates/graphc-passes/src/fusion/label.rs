//! Names of groups in terms of the user's layers, and which nodes each group inlines.

use super::epilogue::Chains;
use super::facts::Facts;
use super::reads::Reads;
use graphc_ir::graph::plan::{FusionPlan, Group, GroupKind, Root};
use graphc_ir::graph::{Graph, NodeId, Role};
use graphc_ir::ops::Op;
use std::collections::BTreeSet;

/// Fills `name` and `inlined` of every group.
pub(super) fn name_groups(facts: &Facts<'_>, chains: &Chains, plan: &mut FusionPlan) {
    let mut kernels = std::mem::take(&mut plan.kernels);
    for kernel in &mut kernels {
        for group in [&mut kernel.head, &mut kernel.chunk, &mut kernel.batch, &mut kernel.tail].into_iter().flatten() {
            let inlined = inlined(facts, &plan.stored, chains, group);
            group.name = name(facts.graph, group, &inlined);
            group.inlined = inlined.into_iter().collect();
        }
    }
    plan.kernels = kernels;
}

/// Nodes whose values the group computes without storing them.
fn inlined(facts: &Facts<'_>, stored: &BTreeSet<NodeId>, chains: &Chains, group: &Group) -> BTreeSet<NodeId> {
    let is_alone = |root: &Root| chains.get(&root.node()).is_none_or(|&start| start == root.node());
    if group.kind == GroupKind::Contraction && group.roots.iter().all(is_alone) {
        return BTreeSet::new();
    }
    Reads::of(facts, stored, &group.roots).inlined
}

/// The layers whose nodes the group computes, in order of the graph: `bn1 + relu1 + pool1 + statistics of bn2`.
/// Constants and mere views belong to whoever reads them, and are left out.
fn name(graph: &Graph, group: &Group, inlined: &BTreeSet<NodeId>) -> String {
    let computes = |node: &NodeId| !matches!(graph.op(*node), Op::Constant(_) | Op::Broadcast(_) | Op::Reshape(_));
    let roots = group.roots.iter().map(|&root| (root.node(), matches!(root, Root::Value(_))));
    let mut nodes: Vec<(NodeId, bool)> =
        inlined.iter().filter(|id| computes(id)).map(|&id| (id, true)).chain(roots).collect();
    nodes.sort_by_key(|&(node, _)| node);
    let mut parts: Vec<String> = Vec::new();
    for (node, is_value) in nodes {
        let origin = &graph.node(node).origin;
        // A graph written as text may have nodes of no layer.
        let layer = if origin.layer.is_empty() { graph.op(node).name() } else { &*origin.layer };
        let part = match (origin.role, is_value) {
            (Role::Forward, true) => layer.to_string(),
            (Role::Forward, false) => format!("statistics of {layer}"),
            (Role::Loss, _) => "loss".to_string(),
            (role, _) => format!("{} of {layer}", role.name()),
        };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.join(" + ")
}
