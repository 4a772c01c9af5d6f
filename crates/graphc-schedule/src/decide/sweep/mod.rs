//! What is decided about a sweep: one pass over an index space that computes several results.
//!
//! Reading order: `nest` (the decisions, as data), `plan` (how they are made), `print` (their text).

pub(crate) mod nest;
pub(crate) mod plan;
mod print;
#[cfg(test)]
mod tests;
