//! Parameter updates that may overwrite the parameter where they are computed.
//!
//! All updates of a step happen at once, after everything has read the old values. An update computed
//! where nothing reads the parameter any more is that already; the others are stored aside and copied at
//! the end of the step.

use graphc_ir::form::Forms;
use graphc_ir::graph::plan::{FusionPlan, Group, GroupKind, Root};
use graphc_ir::graph::{Graph, NodeId, Update};
use graphc_ir::index::Affine;
use graphc_ir::point::{ExprId, PointDag};
use std::collections::{BTreeMap, BTreeSet};

/// Update values that are stored straight into their parameter's buffer.
pub(crate) fn find(graph: &Graph, forms: &Forms, plan: &FusionPlan) -> BTreeSet<NodeId> {
    // Groups in the order they run; the last one that reads each node, and whether a flat sweep does.
    let mut last_reader: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut written_by: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut flat_groups = BTreeSet::new();
    for (position, group) in plan.kernels.iter().flat_map(|kernel| kernel.groups()).enumerate() {
        let (reads, is_flat) = reads(graph, forms, plan, group);
        for node in reads {
            last_reader.insert(node, position);
        }
        if is_flat {
            flat_groups.insert(position);
        }
        for root in &group.roots {
            if let Root::Value(node) = root {
                written_by.insert(*node, position);
            }
        }
    }
    let is_safe = |update: &&Update| {
        let Some(&written) = written_by.get(&update.value) else { return false };
        let is_output = graph.outputs.name(update.value);
        let only_update = graph.updates.of_value(update.value).count() == 1;
        let last_read = last_reader.get(&update.parameter).copied().unwrap_or(0);
        let read_before = last_read < written || (last_read == written && flat_groups.contains(&written));
        // Another update must not read the value after it has moved into the parameter's place: it
        // still may, since the value itself is what it wants.
        !is_output && only_update && read_before
    };
    graph.updates.iter().filter(is_safe).map(|update| update.value).collect()
}

/// Nodes whose buffers a group reads, and whether it is a flat sweep.
pub(crate) fn reads(graph: &Graph, forms: &Forms, plan: &FusionPlan, group: &Group) -> (BTreeSet<NodeId>, bool) {
    let mut dag = PointDag::new(graph, forms, &plan.stored);
    if group.kind == GroupKind::Contraction {
        let nodes = group.inlined.iter().copied().chain(group.roots.iter().map(|root| root.node()));
        return (nodes.flat_map(|node| graph.operands(node)).collect(), false);
    }
    let space = PointDag::space(graph, forms, group.roots[0]);
    let axes: Vec<Affine> = space.extents.iter().map(|&extent| Affine::var(dag.new_var(extent))).collect();
    let exprs: Vec<ExprId> = group.roots.iter().map(|&root| dag.root(root, &axes)).collect();
    let no_batch = group
        .roots
        .iter()
        .all(|root| matches!(root, Root::Value(node) if graph.ty(*node).shape.batch_axis().is_none()));
    let reads = dag.loads(&exprs).into_iter().map(|(node, _)| node).collect();
    (reads, no_batch && dag.is_flat(&exprs, &axes, &space.extents))
}
