//! What Cranelift emits: the functions of a [`Selection`], with calls of the assembled ones.
//!
//! Every phase of a kernel is a function `fn(arena, member, low, high) -> i32`: the arena, the memory of the member
//! that runs it, and the share `low..high` of its parallel loop. Nests that can be are functions of their own,
//! `fn(arena, member, variables…) -> i32`, so that functions stay small:
//! Cranelift's register allocator is superlinear in a function's size. The result is 0, or in checked mode the code
//! of the access that missed its buffer. A phase runs in the processor's mode in which subnormal numbers count as
//! zero, and restores the one it found.
//!
//! Reading order: `callees` (what functions call), `function` (the emitter's state), `index`, `buffers` (where they
//! begin), `memory`, `load_index`, `expr`, `rounding`, `location`, `stmt`, `tile` (tiles in Cranelift's vectors),
//! `runs` (of their reductions), `calls` (of assembled functions), `templates` (functions that are compiled once).

mod callees;

mod function;

mod index;

mod buffers;

mod memory;

mod load_index;

mod expr;

mod rounding;

mod stmt;

mod location;

mod tile;

mod runs;

mod calls;

mod templates;

use crate::error::CodegenError;
use crate::select::Selection;
use crate::select::selection::{FunctionRole, SelectedFunction, SelectedKernel};
pub(crate) use buffers::buffer_at;
use callees::{Assembled, Callees};
use cranelift_codegen::Context;
use cranelift_codegen::ir::UserFuncName;
use cranelift_frontend::FunctionBuilderContext;
use cranelift_module::{FuncId, Linkage, Module, ModuleError};
use function::{FunctionEmitter, Outcome, Surroundings};
pub(crate) use location::loop_of;
use std::ops::Range;
pub(crate) use templates::Templates;

/// A phase before its function has an address.
pub(crate) struct EmittedPhase {
    pub(crate) name: String,
    pub(crate) function: FuncId,
    pub(crate) parallel: Option<Range<i64>>,
}

/// What [`emit_program`] leaves besides the functions in the module.
pub(crate) struct Emitted {
    /// Phases of every kernel.
    pub(crate) kernels: Vec<Vec<EmittedPhase>>,
    /// What failure code `i + 1` means.
    pub(crate) failures: Vec<String>,
}

/// How a module defines the function in a context.
pub(crate) type Define<'d, M> = &'d mut dyn FnMut(&mut M, FuncId, &mut Context) -> Result<(), Box<ModuleError>>;

/// Defines every function of a program in a module, those that are not assembled by `define`.
pub(crate) fn emit_program<M: Module>(
    module: &mut M,
    selection: &Selection<'_>,
    define: Define<'_, M>,
) -> Result<Emitted, CodegenError> {
    let assembled = Assembled::define(module, &selection.shapes, selection.target)?;
    let mut session = Session { module, selection, define, assembled, failures: Vec::new() };
    let kernels = selection.kernels.iter().map(|kernel| session.kernel(kernel));
    let kernels = kernels.collect::<Result<_, _>>()?;
    Ok(Emitted { kernels, failures: session.failures })
}

struct Session<'p, 'd, M: Module> {
    module: &'p mut M,
    selection: &'p Selection<'p>,
    define: Define<'d, M>,
    assembled: Assembled,
    failures: Vec<String>,
}

impl<M: Module> Session<'_, '_, M> {
    fn kernel(&mut self, selected: &SelectedKernel<'_>) -> Result<Vec<EmittedPhase>, CodegenError> {
        let ids: Vec<FuncId> =
            selected.functions.iter().map(|function| self.declare(function)).collect::<Result<_, _>>()?;
        let mut context = self.module.make_context();
        let mut builder_context = FunctionBuilderContext::new();
        for (function, &id) in selected.functions.iter().zip(&ids) {
            let callees = Callees::new(&self.assembled, selected, &ids, self.module.isa());
            context.func.signature = callees.own_signature(function);
            context.func.name = UserFuncName::user(0, id.as_u32());
            let surroundings = Surroundings {
                program: self.selection.program,
                kernel: selected.kernel,
                uniformity: &selected.uniformity,
                callees: &callees,
                isa: self.module.isa(),
            };
            let outcome = FunctionEmitter::new(surroundings, &mut context.func, &mut builder_context)
                .checked(self.selection.checked.then_some(&mut self.failures), function.nest)
                .emit(function);
            if let Outcome::Invalid(message) = outcome {
                return Err(CodegenError::Program { kernel: selected.kernel.name.clone(), message });
            }
            (self.define)(self.module, id, &mut context).map_err(|error| backend(&function.name, &error))?;
            // What a large function has made large stays so, and is cleared as a whole for every small one behind it.
            match function.role {
                FunctionRole::Phase { .. } => context = self.module.make_context(),
                FunctionRole::Nest => self.module.clear_context(&mut context),
            }
        }
        Ok(selected.functions.iter().zip(ids).filter_map(emitted_phase).collect())
    }

    fn declare(&mut self, function: &SelectedFunction<'_>) -> Result<FuncId, CodegenError> {
        let signature = callees::signature(function.params.len(), self.module.isa());
        let declared = self.module.declare_function(&function.name, Linkage::Local, &signature);
        declared.map_err(|error| backend(&function.name, &error))
    }
}

fn emitted_phase((function, id): (&SelectedFunction<'_>, FuncId)) -> Option<EmittedPhase> {
    let FunctionRole::Phase(shared) = &function.role else { return None };
    let parallel = shared.as_ref().map(|shared| shared.range.clone());
    Some(EmittedPhase { name: function.name.clone(), function: id, parallel })
}

fn backend(function: &str, error: &ModuleError) -> CodegenError {
    CodegenError::Backend { function: function.to_owned(), message: format!("{error:?}") }
}
