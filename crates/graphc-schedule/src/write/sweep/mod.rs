//! Sweeps: one pass over an index space that computes several results.
//!
//! Reading order: `split` (axes in digits), `samples` (sweeps over the samples of a chunk), `join` (partial results of
//! chunks), `flat` (sweeps over tensors without a batch).

pub(crate) mod flat;
pub(crate) mod join;
pub(crate) mod samples;
pub(crate) mod split;
