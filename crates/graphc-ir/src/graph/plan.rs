//! The fusion plan: which values are stored, which are recomputed in their readers, and which
//! groups of nodes run together in which kernel. Written by `graphc-passes`, read by
//! `graphc-schedule`.

use super::graph::Graph;
use super::node_id::NodeId;
use super::origin::Role;
use crate::compute::{Combine, ScalarExpr};
use crate::form::{Form, Forms, PointForm};
use crate::ops::Op;
use std::collections::BTreeSet;

/// Decisions about one specialised, fully expanded graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FusionPlan {
    /// Kernels in the order they run.
    pub kernels: Vec<KernelPlan>,
    /// Views that contractions read past: they read what these are views of.
    pub views: BTreeSet<NodeId>,
    /// Values that have a buffer. Every other value is recomputed where it is read.
    pub stored: BTreeSet<NodeId>,
    /// What was decided and why, in order of the graph.
    pub decisions: Vec<Decision>,
}

/// Groups between two synchronisations over the batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KernelPlan {
    /// Work without a batch that must precede the chunks; only in the first kernel.
    pub head: Vec<Group>,
    /// Work on one chunk of samples, chunk after chunk or in parallel.
    pub chunk: Vec<Group>,
    /// Contractions that sum over the batch; they read whole groups of chunks.
    pub batch: Vec<Group>,
    /// Partial results joined, and work without a batch that needs them.
    pub tail: Vec<Group>,
}

impl KernelPlan {
    /// All groups in the order they run.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        [&self.head, &self.chunk, &self.batch, &self.tail].into_iter().flatten()
    }
}

/// What a group iterates over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupKind {
    /// A contraction with its epilogue.
    Contraction,
    /// One pass over an index space that computes all roots.
    Sweep,
    /// A scan or a scatter: one value, in an order of its own.
    Ordered,
}

/// Nodes computed by one loop nest.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What is fused, in terms of the user's layers: `bn1 + relu1 + pool1`.
    pub name: String,
    /// Contraction or sweep.
    pub kind: GroupKind,
    /// What the nest leaves in memory.
    pub roots: Vec<Root>,
    /// Nodes whose values exist only in registers here, roots excluded, by id.
    pub inlined: Vec<NodeId>,
}

impl Group {
    /// Everything that the group computes, ascending.
    pub fn nodes(&self) -> Vec<NodeId> {
        let nodes = self.inlined.iter().copied().chain(self.roots.iter().map(|root| root.node()));
        nodes.collect::<BTreeSet<NodeId>>().into_iter().collect()
    }

    /// What the group is called: the layers whose nodes it computes, in order of the graph, such as
    /// `bn1 + relu1 + pool1 + statistics of bn2`. Constants and mere views belong to whoever reads them, and are left
    /// out.
    pub fn label(&self, graph: &Graph) -> String {
        let computes = |node: &NodeId| !matches!(graph.op(*node), Op::Constant(_) | Op::Broadcast(_) | Op::Reshape(_));
        let roots = self.roots.iter().map(|&root| (root.node(), matches!(root, Root::Value(_))));
        let mut nodes: Vec<(NodeId, bool)> =
            self.inlined.iter().filter(|id| computes(id)).map(|&id| (id, true)).chain(roots).collect();
        nodes.sort_by_key(|&(node, _)| node);
        let mut parts: Vec<String> = Vec::new();
        for (node, is_value) in nodes {
            let origin = &graph.node(node).origin;
            // A graph written as text may have nodes of no layer.
            let layer = if origin.layer.is_empty() { graph.op(node).name() } else { &*origin.layer };
            let part = match (origin.role, is_value) {
                (Role::Forward, true) => layer.to_string(),
                (Role::Forward, false) => format!("statistics of {layer}"),
                (Role::Loss, _) => "loss".to_string(),
                (role, _) => format!("{} of {layer}", role.name()),
            };
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        parts.join(" + ")
    }

    /// Some of the results of a sweep as a group of its own, with what is inlined for their sake.
    pub fn part(&self, graph: &Graph, roots: Vec<Root>) -> Group {
        let mut inlined: BTreeSet<NodeId> = BTreeSet::new();
        let mut left: Vec<NodeId> = roots.iter().flat_map(|root| graph.operands(root.node())).collect();
        while let Some(node) = left.pop() {
            if self.inlined.binary_search(&node).is_ok() && inlined.insert(node) {
                left.extend(graph.operands(node));
            }
        }
        let part = Group { name: String::new(), kind: self.kind, roots, inlined: inlined.into_iter().collect() };
        Group { name: part.label(graph), ..part }
    }

    /// The contraction at the start of the chain that the only root of a contraction's group ends.
    ///
    /// # Panics
    /// If the group has no root.
    pub fn contraction(&self, forms: &Forms) -> NodeId {
        let is_contraction = |node: &&NodeId| forms[*node].as_contraction().is_some();
        self.inlined.iter().find(is_contraction).copied().unwrap_or(self.roots[0].node())
    }
}

/// One result of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Root {
    /// The node's value, element by element; joins the partial results of a batch reduction.
    Value(NodeId),
    /// Partial sums (or maxima) of a batch reduction, one per chunk.
    Partial(NodeId),
    /// Per-chunk sums that a variance needs first.
    PartialSum(NodeId),
    /// Per-chunk sums of squared deviations from the chunk's own mean.
    PartialDeviations(NodeId),
}

impl Root {
    /// The node.
    pub fn node(self) -> NodeId {
        match self {
            Root::Value(node) | Root::Partial(node) | Root::PartialSum(node) | Root::PartialDeviations(node) => node,
        }
    }
}

/// One decision with its reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The node it is about.
    pub node: NodeId,
    /// `stored: ...`, `recomputed in its readers: ...`, `not fused: ...`.
    pub text: String,
}

impl FusionPlan {
    /// Where a batch variance takes its per-chunk sums from: the partial sums of a stored mean or sum
    /// of the same tensor over the same axes, else partial sums of its own.
    pub fn sum_source(
        graph: &Graph,
        forms: &Forms,
        stored: &BTreeSet<NodeId>,
        variance: NodeId,
        axes: &[usize],
    ) -> Root {
        let operand = graph.operands(variance)[0];
        let is_sum =
            |user: &NodeId| stored.contains(user) && forms[user].as_point().is_some_and(|form| sums(form, axes));
        debug_assert!(matches!(forms[&variance], Form::Variance { .. }));
        graph.users(operand).into_iter().find(is_sum).map_or(Root::PartialSum(variance), Root::Partial)
    }
}

/// Whether a form is the plain sum (possibly scaled at the end) of its operand's elements over `axes`.
fn sums(form: &PointForm, axes: &[usize]) -> bool {
    let ScalarExpr::Load { index, .. } = &form.body else { return false };
    let is_red = |axis: usize| {
        let var = index[axis].value.as_var()?;
        Some(form.reds.iter().any(|red| red.var == var && red.low.is_empty() && red.high.is_empty()))
    };
    form.combine == Some(Combine::Sum) && (0..index.len()).all(|axis| is_red(axis) == Some(axes.contains(&axis)))
}
