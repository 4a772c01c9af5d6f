//! What a step need not do again while the parameters stay as they are: the prologue of the program.
//!
//! Without updates the parameters are constants from one step to the next, and so is everything made of them alone:
//! batch normalisations folded into weights, packed weights. Such groups stand at the head of the first kernel (they
//! need nothing of the batch); they become kernels of their own, which the runtime runs once. A training step has no
//! prologue, since it changes its parameters itself.

use crate::decide::reads::Reads;
use graphc_ir::form::Forms;
use graphc_ir::graph::plan::{FusionPlan, Group};
use graphc_ir::graph::{Graph, NodeId};
use graphc_ir::ops::Op;
use std::collections::BTreeSet;

/// Nodes and groups that depend on parameters alone.
#[derive(Debug, Default)]
pub(crate) struct Prologue {
    /// Parameters, and what the groups of the prologue store.
    fixed: BTreeSet<NodeId>,
}

impl Prologue {
    /// The prologue of a program; empty if a step changes parameters.
    pub(crate) fn of(graph: &Graph, forms: &Forms, plan: &FusionPlan) -> Prologue {
        let mut prologue = Prologue::default();
        if !graph.updates.is_empty() {
            return prologue;
        }
        prologue.fixed = graph
            .ids()
            .into_iter()
            .filter(|&node| matches!(graph.op(node), Op::Parameter(_) | Op::Literal(_)))
            .collect();
        for group in plan.kernels.iter().take(1).flat_map(|kernel| &kernel.head) {
            let reads = Reads::of(graph, forms, plan, group);
            if reads.nodes.iter().all(|node| prologue.fixed.contains(node)) {
                prologue.fixed.extend(group.roots.iter().map(|root| root.node()));
            }
        }
        prologue
    }

    /// Whether the buffer of a node is the same for every step.
    pub(crate) fn is_fixed(&self, node: NodeId) -> bool {
        self.fixed.contains(&node)
    }

    /// Whether a group at the head of the first kernel belongs to the prologue.
    pub(crate) fn has(&self, group: &Group) -> bool {
        group.roots.iter().all(|root| self.is_fixed(root.node()))
    }
}
