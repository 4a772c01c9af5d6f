//! Parameter updates that may overwrite the parameter where they are computed.
//!
//! All updates of a step happen at once, after everything has read the old values. An update computed
//! where nothing reads the parameter any more is that already; the others are stored aside and copied at
//! the end of the step.

use crate::decide::reads::Reads;
use graphc_ir::form::Forms;
use graphc_ir::graph::plan::{FusionPlan, Root};
use graphc_ir::graph::{Graph, NodeId, Update};
use std::collections::{BTreeMap, BTreeSet};

/// Update values that are stored straight into their parameter's buffer.
pub(crate) fn find(graph: &Graph, forms: &Forms, plan: &FusionPlan) -> BTreeSet<NodeId> {
    // Groups in the order they run; the last one that reads each node, and what each reads in its own place alone.
    let mut last_reader: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut written_by: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut in_place = BTreeSet::new();
    for (position, group) in plan.kernels.iter().flat_map(|kernel| kernel.groups()).enumerate() {
        let reads = Reads::of(graph, forms, plan, group);
        for node in reads.nodes {
            last_reader.insert(node, position);
        }
        in_place.extend(reads.in_place.into_iter().map(|node| (position, node)));
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
        let read_before =
            last_read < written || (last_read == written && in_place.contains(&(written, update.parameter)));
        // Another update must not read the value after it has moved into the parameter's place: it
        // still may, since the value itself is what it wants.
        !is_output && only_update && read_before
    };
    graph.updates.iter().filter(is_safe).map(|update| update.value).collect()
}
