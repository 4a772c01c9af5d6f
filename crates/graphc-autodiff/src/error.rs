//! [`AutodiffError`]: why a graph cannot be differentiated.

use graphc_ir::graph::NodeId;
use graphc_ir::types::TensorType;
use std::fmt;

/// Why a graph cannot be differentiated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AutodiffError {
    /// `Graph::loss` is not set.
    NoLoss,
    /// The loss is not an `f32` scalar.
    LossType(TensorType),
    /// `Graph::mode` is not set, so mode-dependent ops have no meaning yet.
    NoMode,
    /// Updates were asked for, but the graph has no optimizer.
    NoOptimizer,
    /// A composite that has no gradient of its own is still there.
    Unexpanded {
        /// The node.
        node: NodeId,
        /// Its mnemonic.
        op: &'static str,
    },
    /// A node called `learning_rate` exists and is not an `f32` scalar input.
    LearningRate(NodeId),
}

impl fmt::Display for AutodiffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AutodiffError::NoLoss => write!(f, "the graph has no loss to differentiate"),
            AutodiffError::LossType(ty) => write!(f, "the loss must be a scalar of type f32[], got {ty}"),
            AutodiffError::NoMode => write!(f, "the graph is not yet specialised for training or inference"),
            AutodiffError::NoOptimizer => write!(f, "the graph has no optimizer, so its parameters cannot be updated"),
            AutodiffError::Unexpanded { node, op } => {
                write!(f, "{op} ({node}) must be expanded before the graph is differentiated")
            }
            AutodiffError::LearningRate(node) => {
                write!(f, "`learning_rate` ({node}) is the name of the step's learning rate, an f32 scalar input")
            }
        }
    }
}

impl std::error::Error for AutodiffError {}
