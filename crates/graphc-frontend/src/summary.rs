//! The layers of a network as a table like Keras's.

use graphc_ir::graph::Role;
use graphc_ir::graph::builder::STEP_INPUT;
use graphc_ir::ops::Op;
use graphc_ir::{Graph, NodeId, Shape};
use std::collections::BTreeMap;

/// One layer, or one result of an operation that has several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryRow {
    /// The user's name.
    pub layer: String,
    /// What it is, as in the graph file; `input` for an input.
    pub op: String,
    /// Shape of its result.
    pub shape: Shape,
    /// Number of its parameters, moving statistics included.
    pub parameters: usize,
    /// Whether it has parameters none of which are trained.
    pub is_frozen: bool,
}

/// Numbers of parameters of a whole network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Updated by the optimizer.
    pub trainable: usize,
    /// Moving statistics, and weights that are not trained.
    pub fixed: usize,
}

/// The inputs and layers of a network as the front end or the builder made it, in file order.
pub fn summary(graph: &Graph) -> Vec<SummaryRow> {
    let mut layers: BTreeMap<&str, Vec<NodeId>> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for id in graph.ids() {
        let origin = &graph.node(id).origin;
        let is_step_counter = graph.node(id).name == STEP_INPUT;
        if origin.role != Role::Forward || is_step_counter {
            continue;
        }
        let nodes = layers.entry(&origin.layer).or_default();
        if nodes.is_empty() {
            order.push(&origin.layer);
        }
        nodes.push(id);
    }
    // Nodes are numbered so that operands come first; the file may have them in another order.
    let line = |layer: &str| layers[layer].iter().map(|&id| graph.node(id).origin.line).min();
    order.sort_by_key(|layer| line(layer));
    order.iter().flat_map(|layer| rows(graph, layer, &layers[layer])).collect()
}

/// The result of a layer, or each of those of an operation that has several.
fn rows(graph: &Graph, layer: &str, nodes: &[NodeId]) -> Vec<SummaryRow> {
    let is_result = |id: NodeId| graph.node(id).name == layer || graph.op(id).n_results() > 1;
    nodes.iter().filter(|&&id| is_result(id)).filter_map(|&id| row(graph, id, nodes)).collect()
}

fn row(graph: &Graph, result: NodeId, nodes: &[NodeId]) -> Option<SummaryRow> {
    let own: Vec<(usize, bool)> = nodes.iter().filter_map(|&id| parameter_len(graph, id)).collect();
    let parameters = own.iter().map(|(len, _)| len).sum();
    let is_frozen = parameters > 0 && !own.iter().any(|&(_, trainable)| trainable);
    let op = nodes.iter().map(|&id| graph.op(id)).find(|op| !matches!(op, Op::Parameter(_)))?;
    let op = match op {
        Op::MatMul(_) if parameters > 0 => "dense".to_string(),
        Op::Gather(_) if parameters > 0 => "embedding".to_string(),
        Op::Normalize(_) if is_frozen => "batch_norm".to_string(),
        Op::Conv2d(conv) if conv.algorithm.tile().is_some() => format!("{} ({})", op.name(), conv.algorithm.name()),
        Op::Reshape(_) if graph.ty(result).shape.rank() == 2 => "flatten".to_string(),
        op => op.name().to_string(),
    };
    let (layer, shape) = (graph.node(result).name.clone(), graph.ty(result).shape.clone());
    Some(SummaryRow { layer, op, shape, parameters, is_frozen })
}

/// Numbers of parameters.
pub fn totals(graph: &Graph) -> Totals {
    let mut totals = Totals { trainable: 0, fixed: 0 };
    for (len, trainable) in graph.ids().into_iter().filter_map(|id| parameter_len(graph, id)) {
        *if trainable { &mut totals.trainable } else { &mut totals.fixed } += len;
    }
    totals
}

/// Number of elements of the parameters with these names.
pub fn n_elements(graph: &Graph, names: &[String]) -> usize {
    let named = names.iter().filter_map(|name| graph.find(name));
    named.filter_map(|id| parameter_len(graph, id)).map(|(len, _)| len).sum()
}

fn parameter_len(graph: &Graph, id: NodeId) -> Option<(usize, bool)> {
    match graph.op(id) {
        Op::Parameter(parameter) => Some((parameter.shape.fixed_len(), parameter.trainable)),
        _ => None,
    }
}
