//! How the samples of a batch fill vectors.

use graphc_ir::scalar::{CHUNK, LANES};

/// Chunks of a batch.
pub(crate) fn n_chunks(batch: usize) -> usize {
    batch.div_ceil(CHUNK)
}

/// Vectors per chunk; a batch of at most 8 samples leaves the second half untouched.
pub(crate) fn n_halves(batch: usize) -> usize {
    if batch <= LANES { 1 } else { 2 }
}

/// Whether the last vector of a batch has padding lanes where samples are lanes.
pub(crate) fn is_ragged(batch: usize) -> bool {
    !batch.is_multiple_of(n_halves(batch) * LANES)
}
