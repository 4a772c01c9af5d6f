//! The verifier of the graph IR. It reports every finding, not only the first. The rules:
//!
//! * the graph has no cycle;
//! * a node has as many operands as its op takes, and its stored type is the one [`Op::infer`](crate::ops::Op::infer)
//!   gives for them;
//! * a type has at most one batch dimension and no dimension of size 0, and its sizes multiply without overflow;
//! * inputs have a name that no other input has, and parameters one that no other parameter has;
//! * outputs are nodes of the graph, have a name, and each name stands once;
//! * the loss is an `f32` scalar of the graph;
//! * an update names a `parameter` once and gives it a value of the same type;
//! * the numbers of the optimizer are finite and mean the same in `f32`, also those for one parameter; bounds of
//!   gradients are positive, several steps are added up if any are, and averages forget;
//! * the batch size, once set, is at least 1.
//!
//! Not checked here: that a pass keeps the meaning (the tests compare interpreter results), and
//! that composites are gone before the schedule (the schedule says which one it met).

use super::graph::Graph;
use super::node_id::NodeId;
use super::print::node_line;
use crate::ops::Op;
use crate::optimizers::{Accumulation, Averaging, Clipping, Optimizer};
use crate::text::Name;
use crate::types::{DType, Dim, TensorType, WORD_BYTES};
use std::collections::BTreeSet;
use std::fmt;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The node at fault, if it is one of the graph.
    pub node: Option<NodeId>,
    /// The printed line at fault.
    pub line: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n    {}", self.message, self.line)
    }
}

/// Every broken rule: the graph as a whole first, nodes by id, then loss, outputs and updates.
pub fn verify(graph: &Graph) -> Vec<Finding> {
    let mut findings = Findings { graph, found: Vec::new() };
    check_header(&mut findings);
    for id in graph.ids() {
        check_type(&mut findings, id);
    }
    check_names(&mut findings);
    check_loss(&mut findings);
    check_outputs(&mut findings);
    check_updates(&mut findings);
    findings.found
}

struct Findings<'a> {
    graph: &'a Graph,
    found: Vec<Finding>,
}

impl Findings<'_> {
    fn at_node(&mut self, id: NodeId, message: String) {
        self.found.push(Finding { node: Some(id), line: node_line(self.graph, id), message });
    }

    fn at_line(&mut self, line: String, message: String) {
        self.found.push(Finding { node: None, line, message });
    }

    /// The type of a node that a root names; a finding if there is no such node.
    fn root_type(&mut self, id: NodeId, line: &str) -> Option<TensorType> {
        if !self.graph.contains(id) {
            self.at_line(line.to_string(), format!("{id} is no node of the graph"));
            return None;
        }
        Some(self.graph.ty(id).clone())
    }
}

fn check_header(findings: &mut Findings<'_>) {
    let graph = findings.graph;
    if graph.batch == Some(0) {
        findings.at_line(format!("graph {}(batch=0)", graph.name), "the batch size must be at least 1".to_string());
    }
    if let Some(Err(message)) = graph.optimizer.as_ref().map(Optimizer::check) {
        findings.at_line("optimizer".to_string(), message);
    }
    for (parameter, settings) in &graph.parameter_settings {
        let check = |optimizer: &Optimizer| optimizer.check_settings(settings);
        if let Err(message) = graph.optimizer.as_ref().map_or(settings.check(), check) {
            findings.at_line(format!("settings {}", Name(parameter)), message);
        }
    }
    if let Some(Err(message)) = graph.clipping.map(Clipping::check) {
        findings.at_line("clipping".to_string(), message);
    }
    if let Some(Err(message)) = graph.accumulation.map(Accumulation::check) {
        findings.at_line("accumulation".to_string(), message);
    }
    if let Some(Err(message)) = graph.averaging.as_ref().map(Averaging::check) {
        findings.at_line("averaging".to_string(), message);
    }
    if graph.try_topo_order().is_none() {
        let id = first_on_cycle(graph);
        findings.at_node(id, format!("{id} depends on itself"));
    }
}

/// The smallest node that reaches itself.
fn first_on_cycle(graph: &Graph) -> NodeId {
    let reaches_itself = |&start: &NodeId| {
        let mut seen = BTreeSet::new();
        let mut todo = graph.operands(start);
        while let Some(id) = todo.pop() {
            if id == start {
                return true;
            }
            if seen.insert(id) {
                todo.extend(graph.operands(id));
            }
        }
        false
    };
    graph.ids().into_iter().find(reaches_itself).expect("without a topological order there is a cycle")
}

fn check_type(findings: &mut Findings<'_>, id: NodeId) {
    let graph = findings.graph;
    let ty = graph.ty(id);
    if let Err(error) = ty.shape.clone().check_one_batch() {
        findings.at_node(id, error.message);
    }
    if ty.shape.0.contains(&Dim::Fixed(0)) {
        findings.at_node(id, format!("{ty} has a dimension of size 0"));
    }
    if n_elements(ty, graph.batch).is_none() {
        findings.at_node(id, format!("the sizes of {ty} multiply to more than memory can hold"));
        return;
    }
    let types = graph.operand_types(id);
    if types.iter().any(|ty| n_elements(ty, graph.batch).is_none()) {
        return;
    }
    match graph.op(id).infer(&types) {
        Ok(inferred) if inferred == *ty => {}
        Ok(inferred) => findings.at_node(id, format!("{id} has the type {ty}, but its operation gives {inferred}")),
        Err(error) => findings.at_node(id, format!("{id}: {error}")),
    }
}

/// Elements of a tensor, or `None` if they cannot be addressed.
fn n_elements(ty: &TensorType, batch: Option<usize>) -> Option<usize> {
    let size = |dim: &Dim| match dim {
        Dim::Fixed(size) => *size,
        Dim::Batch => batch.unwrap_or(1),
    };
    let product = ty.shape.0.iter().map(size).try_fold(1usize, usize::checked_mul)?;
    (product <= isize::MAX as usize / WORD_BYTES).then_some(product)
}

fn check_names(findings: &mut Findings<'_>) {
    let graph = findings.graph;
    for (kind, is_kind) in [
        ("input", (|op| matches!(op, Op::Input(_))) as fn(&Op) -> bool),
        ("parameter", |op| matches!(op, Op::Parameter(_))),
    ] {
        let mut seen = BTreeSet::new();
        for id in graph.ids().into_iter().filter(|&id| is_kind(graph.op(id))) {
            let name = graph.node(id).name.as_str();
            if name.is_empty() {
                findings.at_node(id, format!("the {kind} {id} has no name"));
            } else if !seen.insert(name) {
                findings.at_node(id, format!("there are two {kind}s called {name:?}"));
            }
        }
    }
}

fn check_loss(findings: &mut Findings<'_>) {
    let Some(loss) = findings.graph.loss else { return };
    let line = format!("loss {loss}");
    let Some(ty) = findings.root_type(loss, &line) else { return };
    if ty.dtype != DType::F32 || ty.rank() != 0 {
        findings.at_line(line, format!("the loss must be an f32 scalar, but {loss} is {ty}"));
    }
}

fn check_outputs(findings: &mut Findings<'_>) {
    let graph = findings.graph;
    let mut seen = BTreeSet::new();
    for output in &graph.outputs {
        let line = format!("output {} = {}", Name(&output.name), output.node);
        findings.root_type(output.node, &line);
        if output.name.is_empty() {
            findings.at_line(line, "an output has no name".to_string());
        } else if !seen.insert(output.name.as_str()) {
            findings.at_line(line, format!("there are two outputs called {:?}", output.name));
        }
    }
}

fn check_updates(findings: &mut Findings<'_>) {
    let graph = findings.graph;
    let mut seen = BTreeSet::new();
    for update in &graph.updates {
        let line = format!("update {} = {}", update.parameter, update.value);
        let parameter = findings.root_type(update.parameter, &line);
        let value = findings.root_type(update.value, &line);
        if parameter.is_some() && !matches!(graph.op(update.parameter), Op::Parameter(_)) {
            findings.at_line(line.clone(), format!("{} is updated but is no parameter", update.parameter));
        }
        if let (Some(parameter), Some(value)) = (parameter, value)
            && parameter != value
        {
            findings.at_line(line.clone(), format!("the parameter is {parameter}, but {} is {value}", update.value));
        }
        if !seen.insert(update.parameter) {
            findings.at_line(line, format!("{} is updated twice", update.parameter));
        }
    }
}

#[cfg(test)]
mod tests;
