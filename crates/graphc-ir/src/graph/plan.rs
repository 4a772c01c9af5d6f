//! The fusion plan: which values are stored, which are recomputed in their readers, and which
//! groups of nodes run together in which kernel. Written by `graphc-passes`, read by
//! `graphc-schedule`.

use super::graph::NodeId;
use std::collections::BTreeSet;

/// Decisions about one specialised, fully expanded graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FusionPlan {
    /// Kernels in the order they run.
    pub kernels: Vec<KernelPlan>,
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
