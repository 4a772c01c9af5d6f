//! Lowers a program to functions of a Cranelift module.
//!
//! Every top-level statement of a kernel becomes a *phase* function
//! `fn(arena, low, high) -> i32`; `low..high` is the share of a top-level parallel loop. Every
//! [`Stmt::Nest`] below becomes a function of its own, `fn(arena, variables…) -> i32`, so that
//! functions stay small: Cranelift's register allocator is superlinear in a function's size.
//! The result is 0, or in checked mode the code of the access that missed its buffer. A phase runs in the processor's
//! mode in which subnormal numbers count as zero, and restores the one it found (`mode`).

mod assembled;
mod expr;
mod function;
mod index;
mod memory;
mod mentions;
mod stmt;
mod tile;
mod transpose;
mod uniform;
mod vector_loop;

use crate::mode::{Mode, mode};
use crate::tile::{self as tiles, TileShape, Width, disassemble};
use crate::transpose::{self as copies, TransposeShape};
use crate::vector_loop::{self as loops, LoopShape};
use crate::{CodegenError, CodegenOptions, Target};
use cranelift_codegen::Context;
use cranelift_codegen::ir::{AbiParam, Signature, UserFuncName, types};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::FunctionBuilderContext;
use cranelift_module::{FuncId, Linkage, Module};
use function::{Callee, FunctionEmitter, Functions, Outcome};
use graphc_ir::index::Var;
use graphc_ir::loops::{Kernel, LoopKind, Program, Stmt};
use mentions::Mentions;
use std::collections::{HashMap, VecDeque};
use uniform::Uniformity;

/// Text of one compiled function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionText {
    /// For example `k3.conv1` or `k3.phase0`.
    pub name: String,
    /// Cranelift's intermediate form.
    pub clif: String,
    /// Assembly.
    pub asm: String,
}

/// A phase before its function has an address.
pub(crate) struct EmittedPhase {
    pub(crate) name: String,
    pub(crate) function: FuncId,
    pub(crate) parallel: Option<std::ops::Range<i64>>,
}

/// What [`emit_program`] leaves besides the functions in the module.
pub(crate) struct Emitted {
    /// Phases of every kernel.
    pub(crate) kernels: Vec<Vec<EmittedPhase>>,
    /// What failure code `i + 1` means.
    pub(crate) failures: Vec<String>,
    pub(crate) texts: Vec<FunctionText>,
}

/// A function that is declared and still to be defined.
struct Pending<'p> {
    name: String,
    function: FuncId,
    params: Vec<Var>,
    body: &'p [Stmt],
    /// The phase's own loop if it is parallel: runs from the first to the second parameter.
    shared_loop: Option<Var>,
    nest: &'p str,
    is_phase: bool,
}

/// Lowers every kernel.
pub(crate) fn emit_program<M: Module>(
    module: &mut M,
    program: &Program,
    target: &Target,
    options: &CodegenOptions,
) -> Result<Emitted, CodegenError> {
    let mut assembled = Assembled {
        width: target.tile_width(),
        keep_text: options.keep_text,
        tiles: HashMap::new(),
        loops: HashMap::new(),
        transposes: HashMap::new(),
        mode: None,
        texts: Vec::new(),
    };
    if let Some(mode) = mode(target) {
        let functions = assembled.mode(module, mode);
        assembled.mode =
            Some(functions.map_err(|message| CodegenError::Backend { function: "mode".to_owned(), message })?);
    }
    let mut session = Session { module, program, options, assembled, failures: Vec::new(), texts: Vec::new() };
    let kernels = program.kernels.iter().enumerate().map(|(number, kernel)| session.kernel(number, kernel));
    let kernels = kernels.collect::<Result<_, _>>()?;
    let mut texts = session.texts;
    texts.extend(session.assembled.texts);
    Ok(Emitted { kernels, failures: session.failures, texts })
}

struct Session<'p, M: Module> {
    module: &'p mut M,
    program: &'p Program,
    options: &'p CodegenOptions,
    assembled: Assembled,
    failures: Vec<String>,
    texts: Vec<FunctionText>,
}

impl<'p, M: Module> Session<'p, M> {
    fn kernel(&mut self, number: usize, kernel: &'p Kernel) -> Result<Vec<EmittedPhase>, CodegenError> {
        let uniformity = Uniformity::of(kernel);
        let mentions = Mentions::of(&kernel.body);
        let kernel_label = label(self.program, number);
        let mut queue = Queue { kernel: kernel_label, n_nests: 0, known: HashMap::new(), pending: VecDeque::new() };
        let phases = split(&kernel.body, &mentions).enumerate();
        let phases = phases.map(|(position, stmts)| self.phase(&mut queue, position, stmts));
        let phases = phases.collect::<Result<_, _>>()?;
        let mut context = self.module.make_context();
        let mut builder_context = FunctionBuilderContext::new();
        while let Some(next) = queue.pending.pop_front() {
            context.func.signature = self.signature(next.params.len());
            context.func.name = UserFuncName::user(0, next.function.as_u32());
            let outcome = FunctionEmitter::new(
                self.program,
                kernel,
                (&uniformity, &mentions),
                &mut context.func,
                &mut builder_context,
                self.module.isa(),
            )
            .checked(self.options.checked.then_some(&mut self.failures), next.nest)
            .emit(
                &next.params,
                next.shared_loop,
                (next.body, next.is_phase),
                &mut Linker { module: &mut *self.module, queue: &mut queue, assembled: &mut self.assembled },
            );
            if let Outcome::Invalid(message) = outcome {
                return Err(CodegenError::Program { kernel: kernel.name.clone(), message });
            }
            self.define(&next, &mut context)?;
            self.module.clear_context(&mut context);
        }
        Ok(phases)
    }

    /// Declares the function of a phase.
    fn phase(
        &mut self,
        queue: &mut Queue<'p>,
        position: usize,
        stmts: &'p [Stmt],
    ) -> Result<EmittedPhase, CodegenError> {
        let (nest, stmts) = match stmts {
            [Stmt::Nest { name, body, .. }] if is_parallel(body) => (name.as_str(), body.as_slice()),
            stmts => ("", stmts),
        };
        let mut name = format!("{}.phase{position}", queue.kernel);
        if !nest.is_empty() {
            name = format!("{name}.{nest}");
        }
        let function = declare(self.module, &name, 2)?;
        let unused = [Var(u32::MAX - 1), Var(u32::MAX)];
        let mut pending = Pending {
            name: name.clone(),
            function,
            params: unused.to_vec(),
            body: stmts,
            shared_loop: None,
            nest,
            is_phase: true,
        };
        let mut parallel = None;
        if let [Stmt::For { range, kind: LoopKind::Parallel, body }] = stmts
            && let (Some(low), Some(high)) = (range.low.as_constant(), range.high.as_constant())
        {
            parallel = Some(low..high.max(low));
            pending.body = body;
            pending.shared_loop = Some(range.var);
        }
        queue.pending.push_back(pending);
        Ok(EmittedPhase { name, function, parallel })
    }

    fn signature(&self, n_params: usize) -> Signature {
        signature(self.module, n_params)
    }

    /// Compiles the function in `context`.
    fn define(&mut self, next: &Pending<'_>, context: &mut Context) -> Result<(), CodegenError> {
        let clif = if self.options.keep_text { context.func.display().to_string() } else { String::new() };
        context.set_disasm(self.options.keep_text);
        self.module.define_function(next.function, context).map_err(|error| backend(&next.name, &error))?;
        if self.options.keep_text {
            let asm = context.compiled_code().and_then(|code| code.vcode.clone()).unwrap_or_default();
            self.texts.push(FunctionText { name: next.name.clone(), clif, asm });
        }
        Ok(())
    }
}

/// `k0`, `k1`, ... for the kernels of a step, as the schedule calls them; `prologue` for what precedes them.
fn label(program: &Program, kernel: usize) -> String {
    match (kernel.checked_sub(program.prologue().len()), kernel) {
        (Some(number), _) => format!("k{number}"),
        (None, 0) => "prologue".to_owned(),
        (None, number) => format!("prologue{number}"),
    }
}

fn is_parallel(stmts: &[Stmt]) -> bool {
    matches!(stmts, [Stmt::For { kind: LoopKind::Parallel, .. }])
}

/// The statements of each phase of a kernel, in the order of [`CompiledKernel::phases`](crate::CompiledKernel::phases).
pub fn phases(kernel: &Kernel) -> impl Iterator<Item = &[Stmt]> {
    split(&kernel.body, &Mentions::of(&kernel.body))
}

/// One phase per top-level statement; a single one if they share values or variables.
fn split<'p>(body: &'p [Stmt], kernel: &Mentions) -> std::slice::Chunks<'p, Stmt> {
    let stands_alone = |stmt: &Stmt| {
        let mentions = Mentions::of(std::slice::from_ref(stmt));
        mentions.are_all_of(kernel) && mentions.free_vars().is_empty()
    };
    body.chunks(if body.iter().all(stands_alone) { 1 } else { body.len() })
}

fn backend(function: &str, error: &cranelift_module::ModuleError) -> CodegenError {
    CodegenError::Backend { function: function.to_owned(), message: format!("{error:?}") }
}

/// `fn(arena: *mut u8, i64…) -> i32`
fn signature<M: Module>(module: &M, n_params: usize) -> Signature {
    let mut signature = module.make_signature();
    signature.params.push(AbiParam::new(types::I64));
    signature.params.extend((0..n_params).map(|_| AbiParam::new(types::I64)));
    signature.returns.push(AbiParam::new(types::I32));
    signature
}

fn declare<M: Module>(module: &mut M, name: &str, n_params: usize) -> Result<FuncId, CodegenError> {
    let signature = signature(module, n_params);
    module.declare_function(name, Linkage::Local, &signature).map_err(|error| backend(name, &error))
}

/// Functions of one kernel that are declared and not yet defined.
struct Queue<'p> {
    /// What the names of its functions begin with.
    kernel: String,
    n_nests: usize,
    /// By address of the nest's statements: copies of an unrolled loop share the function.
    known: HashMap<*const Stmt, FuncId>,
    pending: VecDeque<Pending<'p>>,
}

struct Linker<'q, 'p, M: Module> {
    module: &'q mut M,
    queue: &'q mut Queue<'p>,
    assembled: &'q mut Assembled,
}

/// Assembled functions of a program, by shape; none for a shape that the assembler cannot make.
struct Assembled {
    width: Option<Width>,
    keep_text: bool,
    tiles: HashMap<TileShape, Option<FuncId>>,
    loops: HashMap<LoopShape, Option<FuncId>>,
    transposes: HashMap<TransposeShape, Option<FuncId>>,
    /// What phases call when they are entered and before they return.
    mode: Option<[FuncId; 2]>,
    texts: Vec<FunctionText>,
}

impl Assembled {
    fn mode<M: Module>(&mut self, module: &mut M, mode: Mode) -> Result<[FuncId; 2], String> {
        let [enter, leave] = mode_signatures(module);
        let define = |(name, signature, code): (&str, Signature, Vec<u8>)| {
            let function = module.declare_function(name, Linkage::Local, &signature);
            let function = function.map_err(|error| error.to_string())?;
            let defined = module.define_function_bytes(function, CODE_ALIGNMENT, &code, &[]);
            defined.map_err(|error| error.to_string()).map(|()| function)
        };
        let functions = [("enter", enter, mode.enter), ("leave", leave, mode.leave)].map(define);
        let [enter, leave] = functions;
        Ok([enter?, leave?])
    }

    /// The function of a tile, made when it is first asked for.
    fn tile<M: Module>(&mut self, module: &mut M, shape: &TileShape) -> Result<Option<FuncId>, String> {
        let Some(width) = self.width else { return Ok(None) };
        if let Some(&known) = self.tiles.get(shape) {
            return Ok(known);
        }
        let code = tiles::assemble(shape, width).map_err(|error| error.to_string())?;
        let name = format!("tile{}", self.tiles.len());
        let signature = tile_signature(module, shape);
        let function = self.define(module, name, signature, code, shape)?;
        self.tiles.insert(shape.clone(), function);
        Ok(function)
    }

    /// The function of a loop, made when it is first asked for.
    fn vector_loop<M: Module>(&mut self, module: &mut M, shape: &LoopShape) -> Result<Option<FuncId>, String> {
        if let Some(&known) = self.loops.get(shape) {
            return Ok(known);
        }
        let code = loops::assemble(shape).map_err(|error| error.to_string())?;
        let name = format!("loop{}", self.loops.len());
        let signature = loop_signature(module);
        let function = self.define(module, name, signature, code, shape)?;
        self.loops.insert(shape.clone(), function);
        Ok(function)
    }

    /// The function of a transposed copy, made when it is first asked for.
    fn transpose<M: Module>(&mut self, module: &mut M, shape: TransposeShape) -> Result<Option<FuncId>, String> {
        if let Some(&known) = self.transposes.get(&shape) {
            return Ok(known);
        }
        let code = copies::assemble(shape).map_err(|error| error.to_string())?;
        let name = format!("transpose{}", self.transposes.len());
        let signature = integer_signature(module, 3);
        let function = self.define(module, name, signature, code, &shape)?;
        self.transposes.insert(shape, function);
        Ok(function)
    }

    fn define<M: Module>(
        &mut self,
        module: &mut M,
        name: String,
        signature: Signature,
        code: Option<Vec<u8>>,
        shape: &dyn std::fmt::Display,
    ) -> Result<Option<FuncId>, String> {
        let Some(code) = code else { return Ok(None) };
        let function = module.declare_function(&name, Linkage::Local, &signature);
        let function = function.map_err(|error| error.to_string())?;
        let defined = module.define_function_bytes(function, CODE_ALIGNMENT, &code, &[]);
        defined.map_err(|error| error.to_string())?;
        if self.keep_text {
            self.texts.push(FunctionText { name, clif: shape.to_string(), asm: disassemble(&code) });
        }
        Ok(Some(function))
    }
}

/// Bytes; a whole fetch of two cache lines.
const CODE_ALIGNMENT: u64 = 64;

/// `fn(a, b, out, counts…)`
fn tile_signature<M: Module>(module: &M, shape: &TileShape) -> Signature {
    integer_signature(module, 3 + shape.n_counts())
}

/// `fn(table, count)`
fn loop_signature<M: Module>(module: &M) -> Signature {
    integer_signature(module, 2)
}

/// `fn() -> control word` and `fn(control word)`
fn mode_signatures<M: Module>(module: &M) -> [Signature; 2] {
    let mut enter = integer_signature(module, 0);
    enter.returns.push(AbiParam::new(types::I64));
    [enter, integer_signature(module, 1)]
}

/// A function of so many pointers and counts without a result.
fn integer_signature<M: Module>(module: &M, n_params: usize) -> Signature {
    let mut signature = module.make_signature();
    signature.call_conv = CallConv::SystemV;
    signature.params.extend((0..n_params).map(|_| AbiParam::new(types::I64)));
    signature
}

impl<'p, M: Module> Functions<'p> for Linker<'_, 'p, M> {
    fn assembles_tiles(&self) -> bool {
        self.assembled.width.is_some()
    }

    fn assembles_loops(&self) -> bool {
        self.assembled.width == Some(Width::Eight)
    }

    fn mode(&self) -> Option<[Callee; 2]> {
        let [enter, leave] = self.assembled.mode?;
        let [of_enter, of_leave] = mode_signatures(self.module);
        let callee = |function: FuncId, signature| Callee { function: function.as_u32(), signature };
        Some([callee(enter, of_enter), callee(leave, of_leave)])
    }

    fn vector_loop(&mut self, shape: &LoopShape) -> Result<Option<Callee>, String> {
        let function = self.assembled.vector_loop(self.module, shape)?;
        let signature = loop_signature(self.module);
        Ok(function.map(|function| Callee { function: function.as_u32(), signature }))
    }

    fn transpose(&mut self, shape: TransposeShape) -> Result<Option<Callee>, String> {
        let function = self.assembled.transpose(self.module, shape)?;
        let signature = integer_signature(self.module, 3);
        Ok(function.map(|function| Callee { function: function.as_u32(), signature }))
    }

    fn tile(&mut self, shape: &TileShape) -> Result<Option<Callee>, String> {
        let function = self.assembled.tile(self.module, shape)?;
        let signature = tile_signature(self.module, shape);
        Ok(function.map(|function| Callee { function: function.as_u32(), signature }))
    }

    fn nest(&mut self, name: &'p str, body: &'p [Stmt], params: &[Var]) -> Result<Callee, String> {
        let key = body.as_ptr();
        let signature = signature(self.module, params.len());
        if let Some(&function) = self.queue.known.get(&key) {
            return Ok(Callee { function: function.as_u32(), signature });
        }
        let full_name = format!("{}.nest{}.{name}", self.queue.kernel, self.queue.n_nests);
        self.queue.n_nests += 1;
        let function = declare(self.module, &full_name, params.len()).map_err(|error| error.to_string())?;
        self.queue.known.insert(key, function);
        let params = params.to_vec();
        self.queue.pending.push_back(Pending {
            name: full_name,
            function,
            params,
            body,
            shared_loop: None,
            nest: name,
            is_phase: false,
        });
        Ok(Callee { function: function.as_u32(), signature })
    }
}
