//! Sweeps: one pass over an index space that computes several results, as [planned](crate::decide::sweep).
//!
//! Reading order: `nest` (writes any plan), `join` (partial results of chunks).

pub(crate) mod join;
pub(crate) mod nest;
