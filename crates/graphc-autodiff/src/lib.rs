//! Forward graph in, joint graph out: gradients of the loss by reverse mode, and the optimizer.
//!
//! Takes a graph with its mode set, composites of kind `Expand::BeforeAutodiff` expanded, and a
//! loss. Adds gradient nodes (role `Gradient`), update nodes (role `Update`), state parameters and
//! `Graph::updates`. Every added node is an ordinary op with the provenance of the node it was made
//! for; there is no gradient op and no optimizer op, so fusion makes both one sweep.
//!
//! This crate must not know passes, loops or machines. Gradient rules stand in each op's own file.
//!
//! Reading order: [`error`], [`reverse`], [`optimizer`].
#![forbid(unsafe_code)]

pub mod error;
pub mod optimizer;
pub mod reverse;

pub use error::AutodiffError;
pub use reverse::Gradient;

use graphc_ir::graph::{Graph, NodeId};
use graphc_ir::ops::Op;
use std::collections::BTreeSet;

/// What [`differentiate`] adds to the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutodiffOptions {
    /// Make the gradient of every trainable parameter an output `grad.<parameter>`.
    pub gradient_outputs: bool,
    /// Add the update of every trainable parameter by the graph's optimizer.
    pub update: bool,
}

/// Differentiates the loss by every trainable parameter and writes the optimizer's updates.
///
/// A trainable parameter that the loss does not depend on gets the gradient zero; that is not an
/// error, because algebra may have found it out (a bias before a batch normalisation).
/// Updates that the graph already has (moving statistics) stay. Nodes that a gradient rule made
/// for an operand without a gradient are removed again.
///
/// # Errors
/// If the graph has no scalar loss, no mode, a composite that had to be expanded before, or, with
/// [`AutodiffOptions::update`], no optimizer.
pub fn differentiate(graph: &mut Graph, options: &AutodiffOptions) -> Result<(), AutodiffError> {
    let before: BTreeSet<NodeId> = graph.ids().into_iter().collect();
    let gradients = reverse::gradients(graph)?;
    if options.gradient_outputs {
        for gradient in &gradients {
            let name = format!("grad.{}", graph.node(gradient.parameter).name);
            graph.add_output(&name, gradient.value);
        }
    }
    if options.update {
        optimizer::update(graph, &gradients)?;
    }
    remove_unread(graph, &before);
    Ok(())
}

/// Removes nodes that are not in `before` and that nothing reads, users before operands. Inputs and
/// parameters stay: they are the step's interface.
fn remove_unread(graph: &mut Graph, before: &BTreeSet<NodeId>) {
    for id in graph.topo_order().into_iter().rev().filter(|id| !before.contains(id)) {
        let is_interface = matches!(graph.op(id), Op::Input(_) | Op::Parameter(_));
        if !is_interface && !graph.is_root(id) && !graph.has_users(id) {
            graph.remove(id);
        }
    }
}
