//! The values in scope of a random program.

use graphc_ir::loops::ValueId;

/// Largest magnitude of a value: the product of two still is finite.
pub(super) const LARGEST: f64 = 1e15;

/// A real value in scope; its magnitude is at most `bound`, unless the program is wild.
#[derive(Clone, Copy, Debug)]
pub(super) struct Float {
    pub(super) id: ValueId,
    pub(super) bound: f64,
    pub(super) uniform: bool,
}

/// An integer or a condition in scope.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    pub(super) id: ValueId,
    pub(super) uniform: bool,
}

/// The values in scope.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) floats: Vec<Float>,
    pub(super) ints: Vec<Plain>,
    pub(super) conditions: Vec<Plain>,
}

impl Values {
    /// The finished sum of a tile: some hundred products of stored values.
    pub(super) fn push_tile(&mut self, id: ValueId, uniform: bool) {
        self.floats.push(Float { id, bound: LARGEST, uniform });
    }
}
