//! Why something is left to Cranelift.

use crate::asm::unit::Misfit;
use std::fmt;

/// Why a loop or tile is plain: the first reason that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Every access is checked.
    BoundsChecks,
    /// It is not in a region of lanes.
    OutsideLanes,
    /// Everything in it is the same in all lanes.
    NoLanes,
    /// The machine has no assembled shapes of that kind.
    NoAssembler,
    /// A call would cost more than it saves.
    FewIterations,
    /// Words or values that are integers.
    Integers,
    /// Lanes are combined.
    JoinedLanes,
    /// Lanes read or write words that do not lie side by side, or an index divides.
    Scattered,
    /// An index that is loaded.
    LoadedIndex,
    /// Something inside that is neither straight-line code nor a loop of constant bounds.
    Inside,
    /// The value of an accumulator is read, which is used when it has another one.
    Overwritten,
    /// Nothing is stored or kept.
    NoEffect,
    /// A mutable scalar that is the same in every lane, or is read before it is set.
    Accumulator,
    /// Accumulators of a tile that begin with words that are no vectors.
    Start,
    /// More steps in an iteration than code is made for.
    TooManySteps,
    /// More streams of words than pointers.
    TooManyPointers,
    /// The registers do not hold the values.
    TooFewRegisters,
    /// More reduction loops than counters.
    TooManyReductions,
    /// More runs of a reduction than there is room for on the stack.
    TooManyRuns,
    /// Words farther away than an instruction can reach.
    TooFar,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::BoundsChecks => "bounds checks",
            Reason::OutsideLanes => "outside lanes",
            Reason::NoLanes => "no lanes",
            Reason::NoAssembler => "no assembler",
            Reason::FewIterations => "too few iterations",
            Reason::Integers => "integers",
            Reason::JoinedLanes => "joined lanes",
            Reason::Scattered => "scattered access",
            Reason::LoadedIndex => "a loaded index",
            Reason::Inside => "something inside that is no straight line",
            Reason::Overwritten => "the value of an accumulator from before it was set",
            Reason::NoEffect => "no effect",
            Reason::Accumulator => "an accumulator without lanes",
            Reason::Start => "accumulators that go on",
            Reason::TooManySteps => "too many steps",
            Reason::TooManyPointers => "too many pointers",
            Reason::TooFewRegisters => "too few registers",
            Reason::TooManyReductions => "too many reductions",
            Reason::TooManyRuns => "too many runs",
            Reason::TooFar => "words too far apart",
        })
    }
}

impl From<Misfit> for Reason {
    fn from(misfit: Misfit) -> Reason {
        match misfit {
            Misfit::Registers => Reason::TooFewRegisters,
            Misfit::Reductions => Reason::TooManyReductions,
            Misfit::Runs => Reason::TooManyRuns,
        }
    }
}
