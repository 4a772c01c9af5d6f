//! Which index variables differ from lane to lane.

use super::kernel::Access;
use crate::index::{Affine, Var};

/// The lane number of the region that is walked through, and behind it what the region loads for every lane by itself
/// ([`super::Stmt::LoadIndex`]).
#[derive(Clone, Debug, Default)]
pub struct LaneVars(Vec<Var>);

impl LaneVars {
    /// Number of variables: 0 outside regions.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing differs from lane to lane, as outside regions.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all but the first `len` variables, at the end of a block or region.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// The lane number of a region that begins.
    pub fn enter(&mut self, lane: Var) {
        self.0.push(lane);
    }

    /// Notes a variable that is loaded, if it differs from lane to lane; gives whether it does.
    pub fn load(&mut self, var: Var, from: &Access) -> bool {
        let differs = self.are_in(&from.index);
        if differs {
            self.0.push(var);
        }
        differs
    }

    /// Whether an index differs from lane to lane.
    pub fn are_in(&self, index: &Affine) -> bool {
        self.0.iter().any(|&var| index.uses(var))
    }

    /// A variable in the index that is loaded for every lane by itself, if there is one.
    pub fn loaded_in(&self, index: &Affine) -> Option<Var> {
        self.0.iter().skip(1).copied().find(|&var| index.uses(var))
    }
}
