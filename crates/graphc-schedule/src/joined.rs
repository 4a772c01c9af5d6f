//! Joined kernels: weight gradients right after the samples that they sum over.
//!
//! A kernel computes its samples chunk by chunk, and then sums weight gradients of convolutions over groups of chunks. In a large
//! batch, what the first part wrote has left the caches when the second comes to read it. So both parts are joined where the
//! accumulators of a group may wait in memory meanwhile: threads share the groups, and a group takes one chunk after
//! the other, first its samples and then what they add to the gradients. What nothing else reads then needs a place for one
//! chunk of every group only, which stays near.

use crate::choices::Chooser;
use crate::features;
use crate::groups::Groups;
use crate::lanes::FeatureLanes;
use crate::task;
use graphc_ir::NodeId;
use graphc_ir::form::Forms;
use graphc_ir::graph::Graph;
use graphc_ir::graph::plan::{FusionPlan, Group, KernelPlan, Root};
use std::collections::BTreeSet;

/// Which kernels are joined, and what is theirs alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Joined {
    /// The groups of chunks by position of the kernel.
    kernels: Vec<Option<Groups>>,
    local: BTreeSet<NodeId>,
}

impl Joined {
    pub(crate) fn of(graph: &Graph, forms: &Forms, plan: &FusionPlan, chooser: &Chooser<'_>) -> Joined {
        if features::are_lanes(graph, plan) {
            return Joined { kernels: vec![None; plan.kernels.len()], local: BTreeSet::new() };
        }
        let kernels: Vec<Option<Groups>> =
            plan.kernels.iter().map(|kernel| groups_of(graph, forms, kernel, chooser)).collect();
        let mut local = BTreeSet::new();
        for (kernel, groups) in plan.kernels.iter().zip(&kernels) {
            let Some(groups) = groups.filter(|groups| groups.chunks_per_group > 1) else { continue };
            let gradients = kernel.batch.iter().filter(|group| gradient_groups(graph, forms, group) == Some(groups));
            let own: Vec<&Group> = kernel.chunk.iter().chain(gradients.clone()).collect();
            let is_foreign = |group: &&Group| !own.iter().any(|own| std::ptr::eq(*own, *group));
            // Whoever joins the partial results does not read what they sum over.
            let sums: BTreeSet<NodeId> = gradients.flat_map(|group| &group.roots).map(|root| root.node()).collect();
            let foreign: BTreeSet<NodeId> = plan
                .kernels
                .iter()
                .flat_map(KernelPlan::groups)
                .filter(is_foreign)
                .flat_map(nodes)
                .filter(|node| !sums.contains(node))
                .flat_map(|node| graph.operands(node))
                .chain(graph.outputs.iter().map(|output| output.node))
                .collect();
            let values = kernel.chunk.iter().flat_map(|group| &group.roots).filter_map(|root| match root {
                Root::Value(node) => Some(*node),
                _ => None,
            });
            let is_batch = |node: &NodeId| graph.ty(*node).shape.batch_axis().is_some();
            local.extend(values.filter(|node| is_batch(node) && !foreign.contains(node)));
        }
        Joined { kernels, local }
    }

    /// The groups of chunks that a kernel's threads share, if it is joined.
    pub(crate) fn groups(&self, kernel: usize) -> Option<Groups> {
        self.kernels[kernel]
    }

    /// The same if the node is kept for one chunk of every group only.
    pub(crate) fn is_local(&self, node: NodeId) -> bool {
        self.local.contains(&node)
    }

    /// Chunks that the buffer of a node has places for.
    pub(crate) fn n_places(&self, plan: &FusionPlan, node: NodeId) -> Option<usize> {
        let stores = |group: &Group| group.roots.contains(&Root::Value(node));
        let kernel = || plan.kernels.iter().position(|kernel| kernel.chunk.iter().any(stores));
        self.is_local(node).then(|| self.kernels[kernel().expect("it is stored")].expect("it is joined").n_groups)
    }
}

/// The groups of chunks of a kernel that is worth joining.
fn groups_of(graph: &Graph, forms: &Forms, kernel: &KernelPlan, chooser: &Chooser<'_>) -> Option<Groups> {
    let has_samples = !kernel.chunk.is_empty() && task::chunks_per_task(graph, forms, chooser, kernel) == 1;
    let groups = kernel.batch.iter().find_map(|group| gradient_groups(graph, forms, group));
    groups.filter(|groups| has_samples && (groups.chunks_per_group == 1 || groups.accumulators_wait))
}

/// The groups of chunks that a contraction over the batch is shared by; none if it is shared otherwise.
pub(crate) fn gradient_groups(graph: &Graph, forms: &Forms, group: &Group) -> Option<Groups> {
    let root = group.roots[0];
    if FeatureLanes::of(graph, &forms[&root.node()], root.node()).is_some() {
        return None;
    }
    Some(Groups::of(graph, forms, root)).filter(|groups| groups.are_enough())
}

fn nodes(group: &Group) -> impl Iterator<Item = NodeId> {
    group.inlined.iter().copied().chain(group.roots.iter().map(|root| root.node()))
}
