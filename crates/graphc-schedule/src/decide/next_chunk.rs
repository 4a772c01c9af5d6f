//! Who asks for the next chunk of samples while the kernel is at this one.
//!
//! In a large batch, what a kernel reads and writes of a chunk of samples is in memory. Contractions leave memory
//! idle meanwhile, and sweeps then wait for it. So the largest contraction of a kernel asks, between its register
//! tiles, for what the kernel will touch of the next chunk, a few lines at a time. Of a kernel without a contraction
//! the longest sweep does that, as long as the next chunk is small beside the cache. Nobody asks for a next chunk that
//! fills a core's own cache: it would push out what this one is made of. (Measured on two Xeons with 2 MiB: with it a
//! VGG of images of 32 x 32 takes 4% longer, a net with strides 7 to 10%.)

use crate::decide::problem::Problem;
use graphc_ir::NodeId;
use graphc_ir::graph::plan::{Group, GroupKind};
use graphc_ir::ops::Op;
use graphc_ir::point::PointDag;
use std::collections::BTreeSet;

/// Far tensors that a kernel reads or writes chunk by chunk, and which of its groups asks for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct NextChunk {
    /// Position of the group.
    carrier: Option<usize>,
    nodes: BTreeSet<NodeId>,
}

impl NextChunk {
    /// For the groups that a kernel computes chunk by chunk.
    pub(crate) fn of(problem: &Problem<'_>, groups: &[&Group]) -> NextChunk {
        let graph = problem.graph;
        let read = groups.iter().flat_map(|group| nodes(group)).flat_map(|node| problem.forms.operands(graph, node));
        let written = groups.iter().flat_map(|group| &group.roots).map(|root| root.node());
        let is_far = |node: &NodeId| {
            let is_kept = problem.fusion.stored.contains(node) || matches!(graph.op(*node), Op::Input(_));
            let has_samples = graph.ty(*node).shape.batch_axis().is_some();
            is_kept && has_samples && problem.layout(*node).len() > problem.machine.far_words()
        };
        let nodes: BTreeSet<NodeId> = read.chain(written).filter(is_far).collect();
        let words: usize = nodes.iter().map(|&node| problem.layout(node).chunk_stride).sum();
        // The last of the largest: what it asks for is wanted soon.
        let of_kind = |kind: GroupKind| groups.iter().enumerate().filter(move |(_, group)| group.kind == kind);
        let contraction = of_kind(GroupKind::Contraction).max_by_key(|(_, group)| multiply_adds(problem, group));
        let sweep = of_kind(GroupKind::Sweep).max_by_key(|(_, group)| operations(problem, group));
        let carrier = match contraction {
            Some(_) if words > problem.machine.far_words() => None,
            Some(carrier) => Some(carrier),
            None => sweep.filter(|_| words <= problem.machine.few_words()),
        };
        NextChunk { carrier: carrier.map(|(position, _)| position), nodes }
    }

    /// Whether a group asks for the next chunk.
    pub(crate) fn has_carrier(&self) -> bool {
        self.carrier.is_some()
    }

    /// The tensors that the group at this position has to ask for.
    pub(crate) fn carried_by(&self, position: usize) -> Vec<NodeId> {
        if self.carrier == Some(position) { self.nodes.iter().copied().collect() } else { Vec::new() }
    }
}

fn nodes(group: &Group) -> impl Iterator<Item = NodeId> {
    group.inlined.iter().copied().chain(group.roots.iter().map(|root| root.node()))
}

fn multiply_adds(problem: &Problem<'_>, group: &Group) -> usize {
    let form = problem.contraction(group.contraction(problem.forms));
    form.extents.iter().copied().chain(form.reds.iter().map(|red| red.extent)).product()
}

/// Operations of a sweep, roughly.
fn operations(problem: &Problem<'_>, group: &Group) -> usize {
    let extents = PointDag::space(problem.graph, problem.forms, group.roots[0]).extents;
    extents.iter().product::<usize>() * (group.inlined.len() + group.roots.len())
}
