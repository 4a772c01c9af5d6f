//! Joined kernels: weight gradients right after the samples that they sum over.
//!
//! A kernel computes its samples chunk by chunk, and then sums weight gradients of convolutions over groups of chunks.
//! In a large batch, what the first part wrote has left the caches when the second comes to read it. So both parts are
//! joined where the accumulators of a group may wait in memory meanwhile: threads share the groups, and a group takes
//! one chunk after the other, first its samples and then what they add to the gradients.

use crate::decide::groups::Groups;
use crate::decide::task;
use crate::write::expr::Cx;
use graphc_ir::graph::plan::{Group, KernelPlan};

/// The groups of chunks that a kernel's threads share, if it is worth joining.
pub(crate) fn groups(cx: &Cx<'_>, kernel: &KernelPlan) -> Option<Groups> {
    let has_samples = !kernel.chunk.is_empty() && task::chunks_per_task(cx, kernel) == 1;
    let mut groups = kernel.batch.iter().filter_map(|group| groups_of(cx, group));
    groups.find(|groups| has_samples && (groups.chunks_per_group == 1 || groups.accumulators_wait))
}

/// The groups of chunks that a contraction over the batch is shared by; none if it is shared otherwise.
pub(crate) fn groups_of(cx: &Cx<'_>, group: &Group) -> Option<Groups> {
    Some(Groups::of(cx.graph, cx.forms, group.roots[0])).filter(|groups| groups.are_enough())
}
