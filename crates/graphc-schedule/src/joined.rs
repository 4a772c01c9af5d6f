//! Joined kernels: weight gradients right after the samples that they sum over.
//!
//! A kernel computes its samples chunk by chunk, and then sums weight gradients of convolutions over groups of chunks. In a large
//! batch, what the first part wrote has left the caches when the second comes to read it. So both parts are joined where the
//! accumulators of a group may wait in memory meanwhile: threads share the groups, and a group takes one chunk after
//! the other, first its samples and then what they add to the gradients.

use crate::choices::Chooser;
use crate::features;
use crate::groups::Groups;
use crate::lanes::FeatureLanes;
use crate::task;
use graphc_ir::form::Forms;
use graphc_ir::graph::Graph;
use graphc_ir::graph::plan::{FusionPlan, Group, KernelPlan};

/// Which kernels are joined: the groups of chunks by position of the kernel.
#[derive(Clone, Debug)]
pub(crate) struct Joined(Vec<Option<Groups>>);

impl Joined {
    pub(crate) fn of(graph: &Graph, forms: &Forms, plan: &FusionPlan, chooser: &Chooser<'_>) -> Joined {
        let are_lanes = features::are_lanes(graph, plan);
        let groups = |kernel| groups_of(graph, forms, kernel, chooser).filter(|_| !are_lanes);
        Joined(plan.kernels.iter().map(groups).collect())
    }

    /// The groups of chunks that a kernel's threads share, if it is joined.
    pub(crate) fn groups(&self, kernel: usize) -> Option<Groups> {
        self.0[kernel]
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
