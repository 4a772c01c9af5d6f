//! Gradients that wait for the update of their parameters.
//!
//! Where one sweep makes a gradient and the update, nothing is stored. Where updates are apart, for example because
//! something is made of all gradients first, the gradients of a step lie side by side, so that they are one stretch
//! of memory for whoever sums them over machines.

use crate::memory::buffers::Buffers;
use graphc_ir::graph::{Graph, NodeId, Role};
use std::collections::BTreeSet;

/// Buffers, by number, that hold what updates read of gradients.
pub(crate) fn find(graph: &Graph, buffers: &Buffers) -> BTreeSet<usize> {
    let role = |id: NodeId| graph.node(id).origin.role;
    let is_gradient = |&id: &NodeId| {
        role(id) == Role::Gradient
            && graph.ty(id).shape.batch_axis().is_none()
            && graph.users(id).into_iter().any(|user| role(user) == Role::Update)
    };
    buffers.nodes().filter(|(node, _)| is_gradient(node)).map(|(_, buffer)| buffer.0 as usize).collect()
}
