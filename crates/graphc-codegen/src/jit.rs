//! Code in memory: the Cranelift module, function pointers, and freeing both.
//!
//! The only unsafe code of this crate. No panic may cross a compiled function: they carry no
//! unwinding information, and they call nothing but each other and `fmaf`.

use crate::emit::{self, Emitted, FunctionText};
use crate::{CodegenError, CodegenOptions, Target};
use cranelift_jit::{JITBuilder, JITModule};
use graphc_ir::loops::Program;
use graphc_ir::scalar::flushed;
use std::mem::ManuallyDrop;
use std::ops::Range;

/// A compiled phase: arena, and the share `low..high` of its parallel loop (ignored if it has
/// none). Returns 0, or in checked mode the code of the access that missed its buffer.
///
/// # Safety
/// The arena must be writable, hold [`Program::arena_words`] words, and be used by nobody else
/// except other shares of the same phase. The [`CompiledProgram`] must be alive.
pub type PhaseFn = unsafe extern "C" fn(arena: *mut u8, low: i64, high: i64) -> i32;

/// One phase of a kernel.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Name of the function, for example `k3.phase0`.
    pub name: String,
    /// The machine code.
    pub function: PhaseFn,
    /// The loop that may be shared among threads.
    pub parallel: Option<Range<i64>>,
}

/// The phases of one kernel, to run in order.
#[derive(Clone, Debug)]
pub struct CompiledKernel {
    /// Name of the kernel.
    pub name: String,
    /// Its phases.
    pub phases: Vec<Phase>,
}

/// Machine code of a program; freed when dropped.
pub struct CompiledProgram {
    kernels: Vec<CompiledKernel>,
    failures: Vec<String>,
    texts: Vec<FunctionText>,
    memory: Memory,
}

impl CompiledProgram {
    /// The kernels, in the program's order.
    pub fn kernels(&self) -> &[CompiledKernel] {
        &self.kernels
    }

    /// What a code returned by a phase means.
    pub fn failure(&self, code: i32) -> String {
        let known = usize::try_from(code).ok().and_then(|code| self.failures.get(code.checked_sub(1)?));
        known.cloned().unwrap_or_else(|| format!("unknown failure {code}"))
    }

    /// Text of every function, if it was asked for.
    pub fn texts(&self) -> &[FunctionText] {
        &self.texts
    }
}

impl std::fmt::Debug for CompiledProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Memory(_) = &self.memory;
        f.debug_struct("CompiledProgram").field("kernels", &self.kernels).finish_non_exhaustive()
    }
}

/// Compiles a program for the host.
///
/// # Errors
/// If the program breaks a rule of the loop IR, or Cranelift refuses a function.
pub fn compile(program: &Program, target: &Target, options: &CodegenOptions) -> Result<CompiledProgram, CodegenError> {
    let mut builder = JITBuilder::with_isa(target.isa().clone(), cranelift_module::default_libcall_names());
    builder.symbol("fmaf", fmaf as *const u8);
    let mut memory = Memory(ManuallyDrop::new(JITModule::new(builder)));
    let module = &mut *memory.0;
    let Emitted { kernels, failures, texts } = emit::emit_program(module, program, target, options)?;
    module.finalize_definitions().map_err(|error| CodegenError::Target(error.to_string()))?;
    let phase = |phase: emit::EmittedPhase| {
        let code = module.get_finalized_function(phase.function);
        // SAFETY: `emit_program` declares and defines every phase with the signature of `PhaseFn`
        // in the platform's C convention, and the module has just been finalized.
        let function = unsafe { std::mem::transmute::<*const u8, PhaseFn>(code) };
        Phase { name: phase.name, function, parallel: phase.parallel }
    };
    let compiled = |(phases, kernel): (Vec<emit::EmittedPhase>, &graphc_ir::loops::Kernel)| CompiledKernel {
        name: kernel.name.clone(),
        phases: phases.into_iter().map(phase).collect(),
    };
    let kernels = kernels.into_iter().zip(&program.kernels).map(compiled).collect();
    Ok(CompiledProgram { kernels, failures, texts, memory })
}

/// Fused multiply-add for hosts without the instruction. It runs in the mode of machine code, so it may compute nothing
/// that depends on the mode: `flushed` promises that.
extern "C" fn fmaf(a: f32, b: f32, c: f32) -> f32 {
    flushed::fma(a, b, c)
}

/// The pages of a module. `JITModule` itself leaks them when dropped.
struct Memory(ManuallyDrop<JITModule>);

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the module is taken once, here. Its functions run only while a
        // `CompiledProgram` is alive, which `PhaseFn` demands of callers.
        unsafe { ManuallyDrop::take(&mut self.0).free_memory() }
    }
}
