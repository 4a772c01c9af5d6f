//! Runs compiled programs: one arena, named tensors, one step at a time.
//!
//! Takes a [`graphc_ir::loops::Program`] and its [`graphc_codegen::CompiledProgram`]; knows
//! nothing of graphs or training.
//!
//! Reading order: [`Executable`], [`RuntimeError`], `pack` (tensors to and from their layouts),
//! `arena` (aligned memory; with the call of machine code in `executable` the only unsafe code).

mod arena;
mod error;
mod executable;
mod pack;

pub use error::RuntimeError;
pub use executable::Executable;
