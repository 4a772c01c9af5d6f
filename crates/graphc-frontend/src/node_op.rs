//! What an op of the graph file is.

use crate::field::Section;
use crate::read::Record;
use graphc_ir::graph::NodeId;
use graphc_ir::graph::builder::{BuildResult, GraphBuilder};
use graphc_ir::ops::OpInfo;
use graphc_ir::ops::facts::Given;

/// An op of the graph file.
#[derive(Clone, Debug)]
pub(crate) struct NodeOp {
    pub(crate) section: Section,
    /// What the op is for and how it is written, in `docs/guide/ops.md`.
    pub(crate) example: Example,
    pub(crate) build: Build,
}

/// A node of the op, which the frontend reads when the guide is made.
#[derive(Clone, Debug)]
pub(crate) struct Example {
    /// What one takes the op for.
    pub(crate) purpose: &'static str,
    /// What the node reads.
    pub(crate) inputs: &'static [Given],
    /// The node as JSON.
    pub(crate) node: &'static str,
}

/// What is added for a node.
#[derive(Clone, Debug)]
pub(crate) enum Build {
    /// What the function adds; `None` only if a field is missing from the record, which has been reported.
    Layer(fn(&mut NodeCx<'_>) -> Option<BuildResult>),
    /// The op, its fields being its attributes.
    Op(&'static OpInfo),
}

impl NodeOp {
    /// Number of inputs, of the example as of every node.
    pub(crate) fn n_inputs(&self) -> usize {
        self.example.inputs.len()
    }
}

/// One node to be built.
pub(crate) struct NodeCx<'a> {
    pub(crate) builder: &'a mut GraphBuilder,
    pub(crate) name: &'a str,
    pub(crate) record: &'a Record<'a>,
    pub(crate) inputs: &'a [NodeId],
    /// Position in the file.
    pub(crate) position: usize,
}
