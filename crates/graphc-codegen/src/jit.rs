//! Code in memory: the Cranelift module, function pointers, and freeing both.
//!
//! The only unsafe code of this crate. No panic may cross a compiled function: they carry no
//! unwinding information, and they call nothing but each other and `fmaf`.

use crate::clif::{Emitted, EmittedPhase, Templates, emit_program};
use crate::error::CodegenError;
use crate::options::CodegenOptions;
use crate::select::{Counts, select};
use crate::target::Target;
use cranelift_codegen::Context;
use cranelift_jit::{ArenaMemoryProvider, BranchProtection, JITBuilder, JITMemoryKind, JITMemoryProvider, JITModule};
use cranelift_module::ModuleResult;
use graphc_ir::loops::Program;
use graphc_ir::scalar::flushed;
use memmap2::MmapMut;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A compiled phase: arena, memory of the member that runs it, and the share `low..high` of its parallel loop
/// (ignored if it has none). Returns 0, or in checked mode the code of the access that missed its buffer.
///
/// # Safety
/// The arena must be writable, hold [`Program::arena_words`] words, and be used by nobody else
/// except other shares of the same phase. The member's memory must be writable, hold [`Program::member_words`] words
/// and be used by nobody else. The [`CompiledProgram`] must be alive.
pub type PhaseFn = unsafe extern "C" fn(arena: *mut u8, member: *mut u8, low: i64, high: i64) -> i32;

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
    counts: Counts,
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

    /// How many tiles and loops are assembled.
    pub fn counts(&self) -> &Counts {
        &self.counts
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
/// # Errors If the target is another machine, the program breaks a rule of the loop IR, Cranelift refuses a function,
/// or there is no memory for the code.
pub fn compile(program: &Program, target: &Target, options: &CodegenOptions) -> Result<CompiledProgram, CodegenError> {
    if !target.is_host() {
        let message = format!("code for {} can be looked at, but runs only if it is made for `host`", target.name());
        return Err(CodegenError::Target(message));
    }
    let is_full = Arc::new(AtomicBool::new(false));
    let mut result = Err(CodegenError::Memory("there is no region for machine code".to_owned()));
    for size in Region::SIZES {
        is_full.store(false, Ordering::Relaxed);
        result = compile_into(Region::reserve(size, &is_full)?, program, target, options);
        if !is_full.load(Ordering::Relaxed) {
            break;
        }
    }
    result
}

fn compile_into(
    region: Region,
    program: &Program,
    target: &Target,
    options: &CodegenOptions,
) -> Result<CompiledProgram, CodegenError> {
    let mut builder = JITBuilder::with_isa(target.isa().clone(), cranelift_module::default_libcall_names());
    builder.symbol("fmaf", fmaf as *const u8);
    builder.memory_provider(Box::new(region));
    let mut memory = Memory(ManuallyDrop::new(JITModule::new(builder)));
    let module = &mut *memory.0;
    let selection = select(program, target, options);
    let mut templates = Templates::default();
    let define = &mut |module: &mut JITModule, function, context: &mut Context| {
        templates.define(module, function, context, program)
    };
    let Emitted { kernels, failures } = emit_program(module, &selection, define)?;
    module.finalize_definitions().map_err(|error| CodegenError::Target(error.to_string()))?;
    let phase = |phase: EmittedPhase| {
        let code = module.get_finalized_function(phase.function);
        // SAFETY: `emit_program` declares and defines every phase with the signature of `PhaseFn`
        // in the platform's C convention, and the module has just been finalized.
        let function = unsafe { std::mem::transmute::<*const u8, PhaseFn>(code) };
        Phase { name: phase.name, function, parallel: phase.parallel }
    };
    let compiled = |(phases, kernel): (Vec<EmittedPhase>, &graphc_ir::loops::Kernel)| CompiledKernel {
        name: kernel.name.clone(),
        phases: phases.into_iter().map(phase).collect(),
    };
    let kernels = kernels.into_iter().zip(&program.kernels).map(compiled).collect();
    Ok(CompiledProgram { kernels, failures, counts: selection.counts(), memory })
}

/// Fused multiply-add for hosts without the instruction. It runs in the mode of machine code, so it may compute
/// nothing that depends on the mode: `flushed` promises that.
extern "C" fn fmaf(a: f32, b: f32, c: f32) -> f32 {
    flushed::fma(a, b, c)
}

/// One stretch of addresses for all code of a module.
///
/// Functions call each other over at most 2 GiB. Pages asked for one by one can lie farther apart: the system puts
/// them wherever there is room between the stacks of threads and other mappings, and Cranelift panics when it links
/// such a module.
struct Region {
    arena: ArenaMemoryProvider,
    /// Bytes that may still be taken before the system is asked for memory again.
    granted: usize,
    /// Bytes of addresses left, at least.
    left: usize,
    /// Set when there are too few addresses.
    is_full: Arc<AtomicBool>,
}

impl Region {
    /// Addresses reserved. Programs of dozens of layers take one of the first; a program that does not fit is
    /// compiled anew into the next. They are no memory, but a process may have a limit of them.
    const SIZES: [usize; 3] = [16 << 20, 256 << 20, 2000 << 20];

    /// Bytes asked for at once.
    const GRANT: usize = 1 << 20;

    fn reserve(size: usize, is_full: &Arc<AtomicBool>) -> Result<Region, CodegenError> {
        let arena = ArenaMemoryProvider::new_with_size(size).map_err(|error| {
            CodegenError::Memory(format!("no {} MB of addresses for machine code: {error}", size >> 20))
        })?;
        Ok(Region { arena, granted: 0, left: size, is_full: Arc::clone(is_full) })
    }
}

impl JITMemoryProvider for Region {
    fn allocate(&mut self, size: usize, align: u64, kind: JITMemoryKind) -> io::Result<*mut u8> {
        let needed = size.saturating_add(usize::try_from(align).unwrap_or(usize::MAX));
        if needed > self.left {
            self.is_full.store(true, Ordering::Relaxed);
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, "the region for machine code is full"));
        }
        self.left -= needed;
        if needed > self.granted {
            // The arena panics where it gets no memory, so that it is tried here first.
            let grant = needed.max(Region::GRANT);
            drop(MmapMut::map_anon(grant)?);
            self.granted = grant;
        }
        self.granted -= needed;
        self.arena.allocate(size, align, kind)
    }

    unsafe fn free_memory(&mut self) {
        // SAFETY: the caller's promise.
        unsafe { JITMemoryProvider::free_memory(&mut self.arena) }
    }

    fn finalize(&mut self, branch_protection: BranchProtection) -> ModuleResult<()> {
        JITMemoryProvider::finalize(&mut self.arena, branch_protection)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Pages;
    use crate::target::Isa;

    /// A region that is too small says so, and the next larger one is taken.
    #[test]
    fn a_full_region_is_no_panic() {
        let is_full = Arc::new(AtomicBool::new(false));
        let mut region = Region::reserve(1 << 16, &is_full).unwrap();
        region.allocate(1 << 15, 16, JITMemoryKind::Executable).unwrap();
        assert!(!is_full.load(Ordering::Relaxed));
        let error = region.allocate(1 << 15, 16, JITMemoryKind::Executable).unwrap_err();
        assert_eq!(error.to_string(), "the region for machine code is full");
        assert!(is_full.load(Ordering::Relaxed));
        assert!(Region::SIZES.is_sorted() && Region::SIZES[2] < 1 << 31, "calls reach 2 GiB");
    }

    #[test]
    fn addresses_that_there_are_not_are_an_error() {
        let error = Region::reserve(1 << 50, &Arc::new(AtomicBool::new(false))).err().unwrap().to_string();
        assert!(error.starts_with("memory: no 1073741824 MB of addresses for machine code: "), "{error}");
    }

    /// The bytes in memory are those that are listed, apart from places that are filled in when functions are linked.
    #[test]
    fn what_is_listed_is_what_runs() {
        let text = "program \"t\" (batch=1, arena=128) {
            buffer b0: f32 output \"x\" [128] strides=[1] chunk=128 len=128 @0
            kernel \"k\" { parallel i0 in 0..2 { nest \"a\" { lanes i1 { for i2 in 0..8 {
              v0 = load b0[64*i0 + 8*i2 + i1] v1 = sqrt v0 store b0[64*i0 + 8*i2 + i1] = v1 } } } }
            nest \"b\" { for i3 in 0..100 { v2 = load b0[i3] v3 = neg v2 store b0[i3 + 1] = v3 } } } }";
        let program: Program = text.parse().unwrap();
        let (target, options) = (Target::host(Isa::Native).unwrap(), CodegenOptions::default());
        let compiled = compile(&program, &target, &options).unwrap();
        let pages = Pages::of(&select(&program, &target, &options)).unwrap();
        let phases = &compiled.kernels()[0].phases;
        assert_eq!(phases.len(), 2);
        for phase in phases {
            let page = pages.pages.iter().find(|page| pages.name(page) == phase.name).unwrap();
            // SAFETY: the function is compiled from the same input, so that it has as many bytes, and `compiled` is
            // alive.
            let bytes = unsafe { std::slice::from_raw_parts(phase.function as *const u8, page.code.len()) };
            let is_filled_in =
                |at: usize| page.relocs.iter().any(|reloc| (0..8).any(|i| reloc.offset as usize + i == at));
            let differ = bytes.iter().zip(&page.code).enumerate().filter(|(at, (a, b))| a != b && !is_filled_in(*at));
            assert_eq!(differ.count(), 0, "{}", phase.name);
            assert!(page.code.len() > 16 * page.relocs.len());
        }
    }
}
