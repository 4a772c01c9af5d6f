//! Which kernel every stored value belongs to.
//!
//! Samples of different chunks meet only in reductions over the batch. So a value's kernel is the
//! number of batch reductions on the longest path to it, and the number of kernels is that of the
//! longest path in the graph.

use super::epilogue::Chains;
use super::facts::Facts;
use super::group::{Phase, PhaseKind};
use graphc_ir::form::Form;
use graphc_ir::graph::plan::{Decision, FusionPlan, GroupKind, KernelPlan, Root};
use std::collections::BTreeSet;

/// The kernels for what a plan stores, and why sweeps end where others could go on.
pub(super) fn arrange(facts: &Facts<'_>, chains: &Chains, plan: &FusionPlan) -> (Vec<KernelPlan>, Vec<Decision>) {
    let Facts { graph, forms, .. } = facts;
    let new = |_| [(); 4].map(|()| Phase::new(facts, &plan.stored));
    let mut kernels: Vec<[Phase<'_>; 4]> = (0..facts.n_levels()).map(new).collect();
    let mut placed = BTreeSet::new();
    for &node in facts.order.iter().filter(|node| plan.stored.contains(node)) {
        let level = facts.level(node);
        let reduces_batch = facts.reduces_batch(node);
        let mut place = |level: usize, kind: PhaseKind, root: Root| {
            if !placed.insert(root) {
                return;
            }
            let phase = &mut kernels[level][kind as usize];
            let is_joined = matches!(root, Root::Value(_)) && reduces_batch;
            if facts.forms[&root.node()].is_ordered() {
                phase.place_alone(GroupKind::Ordered, root);
            } else if !is_joined && (chains.contains_key(&root.node()) || facts.is_contraction(root.node())) {
                phase.place_alone(GroupKind::Contraction, root);
            } else {
                phase.place(root);
            }
        };
        if !reduces_batch {
            match (facts.has_batch(node), level) {
                (true, level) => place(level, PhaseKind::Chunk, Root::Value(node)),
                (false, 0) => place(0, PhaseKind::Head, Root::Value(node)),
                (false, level) => place(level - 1, PhaseKind::Tail, Root::Value(node)),
            }
            continue;
        }
        match &forms[&node] {
            Form::Variance { axes } => {
                place(level, PhaseKind::Chunk, FusionPlan::sum_source(graph, forms, &plan.stored, node, axes));
                place(level, PhaseKind::Chunk, Root::PartialDeviations(node));
            }
            form if form.is_ordered() => {}
            _ if facts.is_contraction(node) => place(level, PhaseKind::Batch, Root::Partial(node)),
            _ => place(level, PhaseKind::Chunk, Root::Partial(node)),
        }
        place(level, PhaseKind::Tail, Root::Value(node));
    }
    let mut cuts: Vec<Decision> = kernels.iter_mut().flatten().flat_map(Phase::take_cuts).collect();
    cuts.sort_by_key(|cut| cut.node);
    let plan = |phases: [Phase<'_>; 4]| {
        let [head, chunk, batch, tail] = phases.map(Phase::into_groups);
        KernelPlan { head, chunk, batch, tail }
    };
    let plans = kernels.into_iter().map(plan).filter(|kernel| kernel.groups().next().is_some());
    (plans.collect(), cuts)
}
