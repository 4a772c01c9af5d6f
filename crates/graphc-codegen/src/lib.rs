//! Machine code for a loop program, made by Cranelift and, for tiles, by an assembler.
//!
//! Takes a [`graphc_ir::loops::Program`] and a [`Target`]; gives a [`CompiledProgram`], one
//! function per phase of every kernel. It knows nothing of graphs, and it never reorders
//! arithmetic: what the loop IR says is what runs, down to the bit.
//!
//! No optimiser runs behind this crate (Cranelift's spills unrolled multiply-adds), so hoisting
//! addresses, constants and splats is done here, while emitting: see `emit/index.rs`.
//!
//! Reading order: [`target`], [`emit`] (`mod`, `function`, `index`, `memory`, `expr`, `stmt`,
//! `tile`, `assembled`), `tile` (the assembler of tiles), `mode` (the processor's, for subnormal numbers), [`jit`].

pub mod emit;
pub mod jit;
pub mod target;

mod error;
mod mode;
mod tile;
mod transpose;
mod vector_loop;

pub use emit::{FunctionText, phases};
pub use error::CodegenError;
pub use jit::{CompiledKernel, CompiledProgram, Phase, PhaseFn, compile};
pub use target::{Isa, Target};

/// Version of Cranelift, for the record of a run.
pub const CRANELIFT_VERSION: &str = cranelift_codegen::VERSION;

/// What to compile besides the code itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodegenOptions {
    /// Compare every index with its buffer's length; a phase returns an error code on a miss.
    pub checked: bool,
    /// Keep CLIF and assembly text of every function.
    pub keep_text: bool,
}
