//! The graph IR: nodes are tensor operations with one result, edges are operands.
//!
//! Reading order: [`origin`], this file, [`rewrite`], [`print`], [`parse`], [`verify`].

mod graph;
pub mod origin;
pub mod plan;
pub mod rewrite;

pub use graph::{Graph, Mode, Node, NodeId, Output, Update};
pub use origin::{Origin, Role};
pub use rewrite::OpCx;
