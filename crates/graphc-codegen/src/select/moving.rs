//! Pointers of straight-line code, and the loops that move them.

use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::BufId;

/// A loop that is counted.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    pub(super) var: Var,
    /// The first value of its variable; none of the outermost, which is known when it begins.
    pub(super) low: Option<i64>,
    /// Iterations, if that is a constant.
    pub(super) count: Option<i64>,
}

/// A pointer, or an integer that stands for one. All accesses that differ by constants share it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moving {
    /// Where it points into, unless it is an integer.
    pub(super) buffer: Option<BufId>,
    /// None if it is computed in every iteration.
    pub(super) place: Option<Place>,
}

/// Where a pointer begins at the first iteration, in lane 0, and how it moves.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) index: Affine,
    /// Bytes from one iteration of each loop to the next; what an integer grows by.
    pub(super) strides: Vec<i64>,
}
