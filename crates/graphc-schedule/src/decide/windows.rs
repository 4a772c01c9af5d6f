//! Weight gradients whose planes are too large for the nearest cache, and the room that their accumulators then need.

use graphc_ir::form::PointForm;
use graphc_ir::scalar::{CHUNK, LANES};

/// Words that stay in the nearest cache beside what else passes through it: 28 of 32 KiB.
pub(crate) const NEAREST_WORDS: usize = 7 << 10;

/// Operands of a step of a large tile.
const MOST_OPERANDS: usize = 12;

/// Most accumulators of a tile.
const MOST_CELLS: usize = 32;

/// Words of the accumulators of one share for an axis of that extent.
pub(crate) fn waiting_words(extent: usize) -> usize {
    extent * MOST_CELLS * LANES
}

/// Extent of the largest window axis of a contraction whose planes are large enough to be cut.
pub(crate) fn largest(form: &PointForm) -> Option<usize> {
    let plane: usize = form.reds.iter().filter(|red| !red.is_batch).map(|red| red.extent).product();
    if plane * CHUNK * MOST_OPERANDS <= NEAREST_WORDS {
        return None;
    }
    (0..form.extents.len()).filter(|&axis| form.is_window(axis)).map(|axis| form.extents[axis]).max()
}
