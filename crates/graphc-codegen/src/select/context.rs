//! What the choices of a kernel depend on.

use super::known::Known;
use super::mentions::Mentions;
use super::reason::Reason;
use super::shapes::Shapes;
use super::uniform::Uniformity;
use super::values::{Scalar, Values, scalar_of};
use crate::asm::unit::{ShapeKind, VectorUnit};
use crate::hash::QuickSet;
use graphc_ir::index::Var;
use graphc_ir::loops::{AccId, Access, LaneVars, Program};

/// What holds throughout a kernel.
pub(super) struct Context<'p> {
    pub(super) program: &'p Program,
    pub(super) unit: Option<&'static VectorUnit>,
    /// Whether accesses are checked.
    pub(super) checked: bool,
    pub(super) values: Values,
    /// Of the whole kernel.
    pub(super) mentions: Mentions,
    pub(super) uniformity: Uniformity,
}

/// What holds at a statement.
#[derive(Default)]
pub(super) struct State {
    /// The lane variable within a region.
    pub(super) lane: Option<Var>,
    /// What differs from lane to lane within a region.
    pub(super) lane_vars: LaneVars,
    pub(super) known: Known,
    /// Mutable scalars that have been set in the function.
    pub(super) declared: QuickSet<AccId>,
}

/// A place where shapes of some kind can be assembled.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    pub(super) unit: &'static VectorUnit,
    pub(super) lane: Var,
}

impl Context<'_> {
    /// The unit that assembles shapes of that kind at a statement, or why there is none.
    pub(super) fn unit_for(&self, kind: ShapeKind, state: &State) -> Result<Unit, Reason> {
        let lane = state.lane.ok_or(Reason::OutsideLanes)?;
        Ok(Unit { unit: self.unit_with(kind)?, lane })
    }

    /// The same where lanes do not matter.
    pub(super) fn unit_with(&self, kind: ShapeKind) -> Result<&'static VectorUnit, Reason> {
        if self.checked {
            return Err(Reason::BoundsChecks);
        }
        self.unit.filter(|unit| unit.assembles(kind)).ok_or(Reason::NoAssembler)
    }

    /// Whether the words of an access are floating-point numbers.
    pub(super) fn is_f32(&self, access: &Access) -> bool {
        scalar_of(self.program, access) == Some(Scalar::F32)
    }

    /// Whether the mutable scalar is a vector of floating-point numbers.
    pub(super) fn is_vector(&self, acc: AccId) -> bool {
        self.values.acc_is_f32(acc) && self.uniformity.acc_has_lanes(acc)
    }
}

/// A walk's surroundings: what holds, and the shapes so far.
pub(super) struct Site<'a, 'p> {
    pub(super) cx: &'a Context<'p>,
    pub(super) state: &'a State,
    pub(super) shapes: &'a mut Shapes,
}
