//! Which kernel every stored value belongs to.
//!
//! Samples of different chunks meet only in reductions over the batch. So a value's kernel is the
//! number of batch reductions on the longest path to it, and the number of kernels is that of the
//! longest path in the graph.

use super::group::{Chains, Phase, PhaseKind};
use super::levels::{Levels, reduces_batch};
use graphc_ir::form::{Form, Forms};
use graphc_ir::graph::Graph;
use graphc_ir::graph::plan::{FusionPlan, KernelPlan, Root};
use std::collections::BTreeSet;

/// Fills `plan.kernels`; sweeps have at most `max_roots` results.
pub(super) fn arrange(
    graph: &Graph,
    forms: &Forms,
    levels: &Levels,
    chains: &Chains,
    plan: &mut FusionPlan,
    max_roots: usize,
) {
    let n_kernels = levels.values().max().map_or(0, |level| level + 1);
    let mut kernels: Vec<[Phase; 4]> = (0..n_kernels).map(|_| std::array::from_fn(|_| Phase::new(max_roots))).collect();
    let mut placed = BTreeSet::new();
    for node in graph.topo_order().into_iter().filter(|node| plan.stored.contains(node)) {
        let level = levels[&node];
        let form = &forms[&node];
        let mut place = |level: usize, kind: PhaseKind, root: Root| {
            if placed.insert(root) {
                kernels[level][kind as usize].place(graph, forms, plan, chains, root);
            }
        };
        if !reduces_batch(graph, form, node) {
            match (graph.ty(node).shape.batch_axis(), level) {
                (Some(_), level) => place(level, PhaseKind::Chunk, Root::Value(node)),
                (None, 0) => place(0, PhaseKind::Head, Root::Value(node)),
                (None, level) => place(level - 1, PhaseKind::Tail, Root::Value(node)),
            }
            continue;
        }
        match form {
            Form::Variance { axes } => {
                place(level, PhaseKind::Chunk, FusionPlan::sum_source(graph, forms, &plan.stored, node, axes));
                place(level, PhaseKind::Chunk, Root::PartialDeviations(node));
            }
            form if form.as_contraction().is_some() => place(level, PhaseKind::Batch, Root::Partial(node)),
            _ => place(level, PhaseKind::Chunk, Root::Partial(node)),
        }
        place(level, PhaseKind::Tail, Root::Value(node));
    }
    plan.kernels = kernels
        .into_iter()
        .map(|phases| {
            let [head, chunk, batch, tail] = phases.map(Phase::into_groups);
            KernelPlan { head, chunk, batch, tail }
        })
        .filter(|kernel| kernel.groups().next().is_some())
        .collect();
}
