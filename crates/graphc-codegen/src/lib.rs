//! Machine code for a loop program, made by Cranelift and, for what Cranelift lacks, by assemblers.
//!
//! Takes a [`graphc_ir::loops::Program`] and a [`Target`]; gives a [`CompiledProgram`], one function per phase of
//! every kernel, or the text of every function ([`listing()`]), also for another machine than this one. It knows
//! nothing of graphs, and it never reorders arithmetic: what the loop IR says is what runs, down to the bit.
//!
//! [`select`](mod@select) decides which code every loop and tile becomes; `asm` assembles shapes; `clif` emits the
//! rest and calls them. No optimiser runs behind this crate (Cranelift's spills unrolled multiply-adds), so hoisting
//! addresses, constants and splats is done here, while emitting: see `clif/index.rs`.
//!
//! Reading order: [`peak`] (which vectors are fast here), [`target`], [`options`], [`select`](mod@select), `asm`,
//! `clif`, [`jit`] (code to run), [`mod@listing`] (code to read).

mod error;
mod hash;
pub mod options;
pub mod peak;
pub mod target;

pub mod select;

mod asm;

mod clif;

pub mod jit;

pub mod listing;

pub use asm::unit::{ShapeKind, VectorUnit};
pub use error::CodegenError;
pub use jit::{CompiledKernel, CompiledProgram, Phase, PhaseFn, compile};
pub use listing::{FunctionText, listing};
pub use options::CodegenOptions;
pub use select::{Counts, Reason, Selection, Tally, count_phases, is_shared, phases, select};
pub use target::{Isa, Machine, Target};

/// Version of Cranelift, for the record of a run.
pub const CRANELIFT_VERSION: &str = cranelift_codegen::VERSION;
