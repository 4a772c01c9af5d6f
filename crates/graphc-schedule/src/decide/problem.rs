//! What decisions are made about: a graph, what is fused, and a machine.

use crate::decide::choices::Chooser;
use crate::decide::layout::ProgramLanes;
use crate::decide::samples;
use crate::machine::Hardware;
use graphc_ir::NodeId;
use graphc_ir::form::{Forms, PointForm};
use graphc_ir::graph::Graph;
use graphc_ir::graph::plan::FusionPlan;
use graphc_ir::loops::Layout;
use graphc_ir::views::Readers;

/// A graph to be scheduled.
pub(crate) struct Problem<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) forms: &'a Forms,
    pub(crate) readers: &'a Readers,
    pub(crate) fusion: &'a FusionPlan,
    pub(crate) machine: Hardware,
    pub(crate) chooser: &'a Chooser<'a>,
    /// What the lanes of the program's regions are.
    pub(crate) lanes: ProgramLanes,
}

impl<'a> Problem<'a> {
    /// The form of a contraction.
    ///
    /// # Panics
    /// If it is none.
    pub(crate) fn contraction(&self, node: NodeId) -> &'a PointForm {
        self.forms[&node].as_point().expect("a contraction is a point form")
    }

    /// The layout of a node's tensor.
    pub(crate) fn layout(&self, node: NodeId) -> Layout {
        self.lanes.layout(self.graph, node)
    }

    /// Whether the lanes of the program's regions are samples.
    pub(crate) fn samples_are_lanes(&self) -> bool {
        self.lanes == ProgramLanes::Samples
    }

    /// Samples per step.
    pub(crate) fn batch(&self) -> usize {
        self.graph.batch.expect("the graph is specialised")
    }

    /// Chunks of samples.
    pub(crate) fn n_chunks(&self) -> usize {
        samples::n_chunks(self.batch())
    }

    /// Vectors per chunk; a batch of at most 8 samples leaves the second half untouched.
    pub(crate) fn n_halves(&self) -> usize {
        samples::n_halves(self.batch())
    }
}
