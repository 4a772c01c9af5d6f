//! The text form of a graph; `docs/ir.md` has the grammar, [`super::parse`] reads it back.
//!
//! ```text
//! graph net(batch=8, mode=train) {
//!   %0: f32[N,4] = input() {dtype=f32, shape=[N,4]} "x" @ x, line 3
//!   %1: f32[N,4] = relu(%0) "relu1" @ relu1, line 5
//!   output y = %1
//! }
//! ```
//!
//! Nodes stand in topological order under their own ids, so the text of a compacted graph
//! counts from `%0`. A part that says nothing (no attributes, no name, no origin) is left out.

use super::graph::Graph;
use super::node_id::NodeId;
use super::origin::{Origin, Role};
use crate::attrs::{AttrValue, Attrs};
use crate::optimizers::{Accumulation, Averaging};
use crate::text::Name;
use std::fmt;

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "graph {}{} {{", Name(&self.name), specialisation(self))?;
        // A cyclic graph still prints, for the verifier's report.
        for id in self.try_topo_order().unwrap_or_else(|| self.ids()) {
            writeln!(f, "  {}", node_line(self, id))?;
        }
        if let Some(optimizer) = &self.optimizer {
            writeln!(f, "  optimizer {}{}", optimizer.text_name(), attrs_text(&optimizer.attrs()))?;
        }
        for (parameter, settings) in &self.parameter_settings {
            let given = settings.given().map(|(name, value)| (name.to_string(), AttrValue::Float(value)));
            writeln!(f, "  settings {}{}", Name(parameter), attrs_text(&Attrs(given.collect())))?;
        }
        let one = |name: &str, value| attrs_text(&Attrs(vec![(name.to_string(), value)]));
        if let Some(clipping) = self.clipping {
            writeln!(f, "  clipping{}", one(clipping.name(), AttrValue::Float(clipping.bound())))?;
        }
        if let Some(Accumulation { steps }) = self.accumulation {
            writeln!(f, "  accumulation{}", one("steps", AttrValue::Int(steps as i64)))?;
        }
        if let Some(Averaging { decay }) = self.averaging {
            writeln!(f, "  averaging{}", one("decay", AttrValue::Float(decay)))?;
        }
        if let Some(loss) = self.loss {
            writeln!(f, "  loss {loss}")?;
        }
        for output in &self.outputs {
            writeln!(f, "  output {} = {}", Name(&output.name), output.node)?;
        }
        for update in &self.updates {
            writeln!(f, "  update {} = {}", update.parameter, update.value)?;
        }
        f.write_str("}\n")
    }
}

/// The line of one node, without indentation.
pub fn node_line(graph: &Graph, id: NodeId) -> String {
    let node = graph.node(id);
    let operands: Vec<String> = graph.operands(id).iter().map(NodeId::to_string).collect();
    let mut line = format!("{id}: {} = {}({})", node.ty, node.op.name(), operands.join(", "));
    line.push_str(&attrs_text(&node.op.attrs()));
    if !node.name.is_empty() {
        line.push_str(&format!(" {:?}", node.name));
    }
    line.push_str(&origin_text(&node.origin));
    line
}

fn specialisation(graph: &Graph) -> String {
    let batch = graph.batch.map(|batch| format!("batch={batch}"));
    let mode = graph.mode.map(|mode| format!("mode={}", mode.name()));
    let parts: Vec<String> = batch.into_iter().chain(mode).collect();
    if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) }
}

fn attrs_text(attrs: &Attrs) -> String {
    if attrs.0.is_empty() {
        return String::new();
    }
    let fields: Vec<String> = attrs.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!(" {{{}}}", fields.join(", "))
}

/// ` @ gradient of conv2, line 14`; nothing for a forward node of no layer and no line.
fn origin_text(origin: &Origin) -> String {
    if origin.layer.is_empty() && origin.line == 0 && origin.role == Role::Forward {
        return String::new();
    }
    let role = if origin.role == Role::Forward { String::new() } else { format!("{} of ", origin.role.name()) };
    let line = if origin.line == 0 { String::new() } else { format!(", line {}", origin.line) };
    format!(" @ {role}{}{line}", Name(&origin.layer))
}
