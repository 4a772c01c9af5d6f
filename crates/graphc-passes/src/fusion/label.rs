//! Names of groups in terms of the user's layers, and which nodes each group inlines.

use super::epilogue::Chains;
use super::facts::Facts;
use super::reads::Reads;
use graphc_ir::graph::NodeId;
use graphc_ir::graph::plan::{FusionPlan, Group, GroupKind, Root};
use std::collections::BTreeSet;

/// Fills `name` and `inlined` of every group.
pub(super) fn name_groups(facts: &Facts<'_>, chains: &Chains, plan: &mut FusionPlan) {
    let mut kernels = std::mem::take(&mut plan.kernels);
    for kernel in &mut kernels {
        for group in [&mut kernel.head, &mut kernel.chunk, &mut kernel.batch, &mut kernel.tail].into_iter().flatten() {
            let inlined = inlined(facts, &plan.stored, chains, group);
            group.inlined = inlined.into_iter().collect();
            group.name = group.label(facts.graph);
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
