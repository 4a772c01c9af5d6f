//! What fusion knows of the graph before anything is decided.

use super::options::FusionOptions;
use graphc_ir::form::{Form, Forms};
use graphc_ir::graph::{Graph, NodeId, NodeIds};
use graphc_ir::views::Readers;

/// A specialised graph, the forms of its nodes, and how many reductions over the batch lie before each.
pub(super) struct Facts<'a> {
    pub(super) graph: &'a Graph,
    pub(super) forms: &'a Forms,
    pub(super) options: &'a FusionOptions,
    /// All nodes, operands before users.
    pub(super) order: Vec<NodeId>,
    /// By node.
    levels: Vec<usize>,
    positions: Vec<usize>,
    readers: Readers,
}

impl<'a> Facts<'a> {
    /// `forms` are those of the graph.
    pub(super) fn of(graph: &'a Graph, forms: &'a Forms, options: &'a FusionOptions) -> Facts<'a> {
        let order = graph.topo_order();
        let (levels, positions) = (vec![0; graph.id_bound()], vec![0; graph.id_bound()]);
        let readers = forms.readers(graph);
        let mut facts = Facts { graph, forms, options, order: Vec::new(), levels, positions, readers };
        for (position, &node) in order.iter().enumerate() {
            facts.positions[node.0 as usize] = position;
            let available = |&operand: &NodeId| facts.level(operand) + usize::from(facts.reduces_batch(operand));
            let level = graph.operands(node).iter().map(available).max().unwrap_or(0);
            facts.levels[node.0 as usize] = level;
        }
        facts.order = order;
        facts
    }

    /// Number of batch reductions on the longest path to a node, itself excluded.
    pub(super) fn level(&self, node: NodeId) -> usize {
        self.levels[node.0 as usize]
    }

    /// Where a node stands in the order.
    pub(super) fn position(&self, node: NodeId) -> usize {
        self.positions[node.0 as usize]
    }

    /// Number of levels.
    pub(super) fn n_levels(&self) -> usize {
        self.levels.iter().max().map_or(0, |level| level + 1)
    }

    /// Whether the node sums over the batch.
    pub(super) fn reduces_batch(&self, node: NodeId) -> bool {
        match &self.forms[&node] {
            Form::Leaf => false,
            Form::Point(point) => point.reduces_batch(),
            Form::Variance { axes } => {
                let operand = self.graph.operands(node)[0];
                self.graph.ty(operand).shape.batch_axis().is_some_and(|axis| axes.contains(&axis))
            }
        }
    }

    pub(super) fn has_batch(&self, node: NodeId) -> bool {
        self.graph.ty(node).shape.batch_axis().is_some()
    }

    /// The nodes that read a node.
    pub(super) fn readers(&self, node: NodeId) -> &NodeIds {
        &self.readers[&node]
    }

    /// What a node reads.
    pub(super) fn operands(&self, node: NodeId) -> NodeIds {
        self.forms.operands(self.graph, node)
    }

    pub(super) fn is_contraction(&self, node: NodeId) -> bool {
        self.forms[&node].as_contraction().is_some()
    }
}
