//! How nests are written as loop IR.
//!
//! Reading order: `builder` (statements of a kernel), `expr` (fused scalar expressions) and `math` (elementary
//! functions), `tree` (joins in a fixed order), `task`, `fetch` (hints), `sweep`, `scatter`, `contraction`, `copies`,
//! `updates`, `kernel` (phases).

pub(crate) mod builder;
pub(crate) mod contraction;
pub(crate) mod copies;
pub(crate) mod expr;
pub(crate) mod fetch;
pub(crate) mod kernel;
pub(crate) mod math;
pub(crate) mod scatter;
pub(crate) mod sweep;
pub(crate) mod task;
pub(crate) mod tree;
pub(crate) mod updates;
