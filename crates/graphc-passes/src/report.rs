//! [`Report`]: what a pass did, one line per decision.

use graphc_ir::graph::{Graph, NodeId};
use std::fmt;

/// What a pass did. Prints as `simplify: 2 changes` and one indented line each, or `unchanged`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Report {
    /// Changes, in order, each naming the rule and the node.
    pub changes: Vec<String>,
    /// What the pass looked at and left alone, with the reason.
    pub refusals: Vec<String>,
}

impl Report {
    /// A pass that did nothing.
    pub fn unchanged() -> Report {
        Report::default()
    }

    /// Notes a change.
    pub fn change(&mut self, what: impl Into<String>) {
        self.changes.push(what.into());
    }

    /// Notes something left alone.
    pub fn refuse(&mut self, why: impl Into<String>) {
        self.refusals.push(why.into());
    }

    /// Number of changes.
    pub fn count(&self) -> usize {
        self.changes.len()
    }

    /// Whether the graph is as it was.
    pub fn is_unchanged(&self) -> bool {
        self.changes.is_empty()
    }

    /// Appends another report.
    pub fn extend(&mut self, other: Report) {
        self.changes.extend(other.changes);
        self.refusals.extend(other.refusals);
    }

    /// `unchanged`, `1 change`, `7 changes`.
    pub fn summary(&self) -> String {
        match self.count() {
            0 => "unchanged".to_string(),
            1 => "1 change".to_string(),
            count => format!("{count} changes"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.summary())?;
        for change in &self.changes {
            write!(f, "\n  {change}")?;
        }
        for refusal in &self.refusals {
            write!(f, "\n  not: {refusal}")?;
        }
        Ok(())
    }
}

/// How a report names a node: `relu of relu1 (%7)`; the name, or else the layer it comes from.
pub(crate) fn label(graph: &Graph, id: NodeId) -> String {
    let node = graph.node(id);
    let name = if node.name.is_empty() { &*node.origin.layer } else { node.name.as_str() };
    match name {
        "" => format!("{} ({id})", node.op.name()),
        name => format!("{} of {name} ({id})", node.op.name()),
    }
}
