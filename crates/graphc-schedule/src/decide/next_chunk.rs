//! Who asks for the next chunk of samples while the kernel is at this one.
//!
//! In a large batch, what a kernel reads and writes of a chunk of samples is in memory. Contractions leave memory
//! idle meanwhile, and sweeps then wait for it. So the largest contraction of a kernel asks, between its register
//! tiles, for what the kernel will touch of the next chunk, a few lines at a time. Of a kernel without a contraction
//! the longest sweep does that, as long as the next chunk is small beside the cache. A contraction with few
//! multiply-adds for each word, as a depthwise one has, waits for memory itself: it does not ask for a large one.

use crate::decide::problem::Problem;
use graphc_ir::NodeId;
use graphc_ir::graph::plan::{Group, GroupKind};
use graphc_ir::ops::Op;
use graphc_ir::point::PointDag;
use std::collections::BTreeSet;

/// Multiply-adds for each word of the next chunk from which on memory is idle meanwhile: eight of them take half a
/// cycle, and a word from memory at least a third of one.
const IDLE: usize = 6;

/// How often the next chunk must fill a core's own cache to be in the way of this one.
const FAR: usize = 4;

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
        let is_small = words <= problem.machine.few_words();
        let leaves_memory_idle = |group: &Group| multiply_adds(problem, group) / problem.n_chunks() >= IDLE * words;
        let carrier = match contraction {
            Some((_, group)) if words > FAR * problem.machine.far_words() && !leaves_memory_idle(group) => None,
            Some(carrier) => Some(carrier),
            None => sweep.filter(|_| is_small),
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
