//! Which loop an instruction is of, for those who read machine code.

use cranelift_codegen::ir::SourceLoc;
use graphc_ir::index::Var;

/// The location of instructions in the loop over that variable.
pub(super) fn location(var: Var) -> SourceLoc {
    // No number stands for instructions that are of no loop.
    SourceLoc::new(var.0)
}

/// The variable of the loop that an instruction is of.
pub(crate) fn loop_of(location: SourceLoc) -> Option<Var> {
    (!location.is_default()).then(|| Var(location.bits()))
}
