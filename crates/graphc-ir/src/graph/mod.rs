//! The graph IR: nodes are tensor operations with one result, edges are operands.
//!
//! Reading order: `node_id`, [`origin`], [`roots`], this file, `loss`, [`builder`], `objective`, [`rewrite`],
//! [`mod@print`], [`parse`], [`verify`].

pub mod builder;
#[expect(clippy::module_inception, reason = "`graph/graph.rs` holds `Graph`; the directory is the graph IR")]
mod graph;
mod loss;
mod node_id;
mod objective;
pub mod origin;
pub mod parse;
pub mod plan;
pub mod print;
pub mod rewrite;
pub mod roots;
pub mod verify;

pub use graph::{Graph, Mode, Node, NodeIds};
pub use node_id::NodeId;
pub use origin::{Origin, Role};
pub use rewrite::OpCx;
pub use roots::{Output, Roots, Update};
