//! Provenance: where in the user's file a node comes from, and what it is there for.

use std::fmt;
use std::sync::Arc;

/// What a node is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Part of the network as written.
    Forward,
    /// Part of the loss.
    Loss,
    /// Reported, not trained on.
    Metric,
    /// Made by autodiff.
    Gradient,
    /// The optimizer.
    Update,
    /// Moving statistics of a normalisation.
    Statistics,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 6] =
        [Role::Forward, Role::Loss, Role::Metric, Role::Gradient, Role::Update, Role::Statistics];

    /// The name in text form.
    pub fn name(self) -> &'static str {
        match self {
            Role::Forward => "forward",
            Role::Loss => "loss",
            Role::Metric => "metric",
            Role::Gradient => "gradient",
            Role::Update => "update",
            Role::Statistics => "statistics",
        }
    }
}

/// Where a node comes from. Prints as `gradient of conv2, line 14`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Name of the user's node.
    pub layer: Arc<str>,
    /// Line in the graph file, from 1; 0 if the graph was not read from a file.
    pub line: u32,
    /// What the node is there for.
    pub role: Role,
}

impl Origin {
    /// A forward node of `layer`.
    pub fn layer(layer: &str, line: u32) -> Origin {
        Origin { layer: layer.into(), line, role: Role::Forward }
    }

    /// The same place in another role.
    pub fn with_role(&self, role: Role) -> Origin {
        Origin { role, ..self.clone() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Forward => write!(f, "{}", self.layer)?,
            role => write!(f, "{} of {}", role.name(), self.layer)?,
        }
        if self.line > 0 {
            write!(f, ", line {}", self.line)?;
        }
        Ok(())
    }
}
