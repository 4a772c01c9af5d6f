//! Runs compiled programs: one arena, named tensors, one step at a time.
//!
//! Takes a [`graphc_ir::loops::Program`] and its [`graphc_codegen::CompiledProgram`]; knows
//! nothing of graphs or training.
//!
//! Reading order: [`Executable`], [`Team`] (threads that run a step together), [`RuntimeError`], `pack` (tensors to and
//! from their layouts), `arena` (aligned memory), [`hint`] (to the processor), [`memory`] (what this process can have).
//! Unsafe code is in `arena`, in `executable` and `team` where machine code is called, and in `hint` for instructions
//! of the processor.

mod arena;
mod error;
mod executable;
pub mod hint;
pub mod memory;
mod pack;
mod team;

pub use error::RuntimeError;
pub use executable::{Executable, StepLog};
pub use team::{MAX_MEMBERS, Team, TimedShare};
