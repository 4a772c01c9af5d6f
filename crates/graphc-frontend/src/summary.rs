//! The layers of a network as a table like Keras's.

use crate::experiment::Experiment;
use crate::parts::Part;
use graphc_ir::graph::Role;
use graphc_ir::graph::builder::STEP_INPUT;
use graphc_ir::ops::Op;
use graphc_ir::{Graph, NodeId, Shape};
use std::collections::{BTreeMap, HashMap};

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

/// The inputs, layers and uses of blocks of a file, in its order; a use is one row.
pub fn summary_of_parts(experiment: &Experiment) -> Vec<SummaryRow> {
    let graph = &experiment.graph;
    let parts: HashMap<&str, &Part> = experiment.parts.iter().map(|part| (part.name.as_str(), part)).collect();
    let nodes: HashMap<&str, NodeId> = graph.ids().into_iter().map(|id| (graph.node(id).name.as_str(), id)).collect();
    let mut uses: HashMap<&str, usize> = HashMap::new();
    let mut rows: Vec<SummaryRow> = Vec::new();
    for row in summary_of(experiment) {
        let part = row.layer.split('.').next().and_then(|name| parts.get(name));
        let Some(Part { name, block: Some(block), result }) = part else {
            rows.push(row);
            continue;
        };
        let position = *uses.entry(name).or_insert_with(|| {
            let result = result.as_ref().and_then(|result| nodes.get(result.as_str()));
            let shape = result.map_or(row.shape.clone(), |&result| graph.ty(result).shape.clone());
            rows.push(SummaryRow { layer: name.clone(), op: block.clone(), shape, parameters: 0, is_frozen: true });
            rows.len() - 1
        });
        rows[position].parameters += row.parameters;
        rows[position].is_frozen &= row.is_frozen || row.parameters == 0;
    }
    for row in &mut rows {
        row.is_frozen &= row.parameters > 0;
    }
    rows
}

/// The inputs and layers of a file, those of blocks included, in its order.
pub fn summary_of(experiment: &Experiment) -> Vec<SummaryRow> {
    let parts = experiment.parts.iter().enumerate();
    let positions: HashMap<&str, usize> = parts.map(|(position, part)| (part.name.as_str(), position)).collect();
    // What is not in the file, such as the weights of samples, comes last.
    let position = |layer: &str| layer.split('.').next().and_then(|name| positions.get(name)).copied();
    sorted(&experiment.graph, |layer, _| position(layer).unwrap_or(usize::MAX))
}

/// The inputs and layers of a network as the front end or the builder made it, by their lines.
pub fn summary(graph: &Graph) -> Vec<SummaryRow> {
    // Nodes are numbered so that operands come first; the file may have them in another order.
    sorted(graph, |_, nodes| nodes.iter().map(|&id| graph.node(id).origin.line).min())
}

/// The inputs and layers by a key of their names and nodes, otherwise as they were built.
fn sorted<K: Ord>(graph: &Graph, key: impl Fn(&str, &[NodeId]) -> K) -> Vec<SummaryRow> {
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
    order.sort_by_cached_key(|layer| key(layer, &layers[layer]));
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
    // What a layer does with its parameters alone comes before what it does.
    let is_own = |id: NodeId| graph.is_parameter(id) || is_of_parameters(graph, id);
    let op = nodes.iter().find(|&&id| !is_own(id)).map(|&id| graph.op(id))?;
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

/// Whether it is a function of nothing but parameters.
fn is_of_parameters(graph: &Graph, id: NodeId) -> bool {
    let operands = graph.operands(id);
    !operands.is_empty() && operands.iter().all(|&operand| graph.is_parameter(operand))
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
