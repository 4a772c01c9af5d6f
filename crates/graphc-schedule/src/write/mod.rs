//! How nests are written as loop IR.
//!
//! Reading order: `builder` (statements of a kernel), `expr` (fused scalar expressions) and `math` (elementary
//! functions), `fetch` (hints), `sweep`, `contraction`, `copies`, `features` (all of it with features as lanes).

pub(crate) mod builder;
pub(crate) mod contraction;
pub(crate) mod copies;
pub(crate) mod expr;
pub(crate) mod features;
pub(crate) mod fetch;
pub(crate) mod math;
pub(crate) mod sweep;
