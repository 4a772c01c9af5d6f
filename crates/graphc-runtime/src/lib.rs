//! Runs compiled programs: one arena, named tensors, one step at a time.
//!
//! Takes a [`graphc_ir::loops::Program`] and its [`graphc_codegen::CompiledProgram`]; knows
//! nothing of graphs or training.
//!
//! Reading order: [`Executable`], [`Team`] (threads that run a step together), [`RuntimeError`], `pack` (tensors to and
//! from their layouts), `arena` (aligned memory), [`peak`] (what the machine can do at most). Unsafe code is in `arena`, in
//! `executable` and `team` where machine code is called, and in `peak` where instructions of a detected processor are.

mod arena;
mod error;
mod executable;
mod pack;
pub mod peak;
mod team;

pub use error::RuntimeError;
pub use executable::{Executable, StepLog};
pub use team::{MAX_MEMBERS, Team, TimedShare};
