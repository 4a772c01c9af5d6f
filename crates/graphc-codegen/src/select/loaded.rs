//! The indices that straight-line code has loaded.

use crate::asm::straight_line::Source;
use crate::hash::QuickMap;
use graphc_ir::index::{Affine, Atom, Var};

/// What has been loaded so far in an iteration.
#[derive(Default)]
pub(super) struct LoadedIndices {
    /// The numbers of pointers that hold an integer instead.
    pub(super) same: QuickMap<Var, usize>,
    /// Vectors of integers.
    pub(super) by_lane: QuickMap<Var, Source>,
    /// Pointers that were computed: of which one, of which integer, and how many bytes that counts.
    pub(super) points: QuickMap<(usize, usize, i32), usize>,
}

impl LoadedIndices {
    /// What is left of an index without the integers that are the same in all lanes, and these with their coefficients.
    pub(super) fn split(&self, mut index: Affine) -> (Affine, Vec<(usize, i64)>) {
        let mut loaded = Vec::new();
        if !self.same.is_empty() {
            index.terms.retain(|(atom, coefficient)| {
                let known = if let Atom::Var(var) = atom { self.same.get(var) } else { None };
                loaded.extend(known.map(|&number| (number, *coefficient)));
                known.is_none()
            });
        }
        (index, loaded)
    }
}
