//! Functions that Cranelift would be given more than once.
//!
//! Layers of one shape lead to functions that differ in nothing but the buffers they use and the functions they call.
//! Both are names in CLIF, filled in when a function is linked, so that such functions are compiled once and copied.

use super::buffers::fill_in;
use crate::hash::QuickMap;
use cranelift_codegen::Context;
use cranelift_codegen::FinalizedMachReloc;
use cranelift_codegen::ir::function::FunctionStencil;
use cranelift_module::{FuncId, Module, ModuleError, ModuleReloc};
use graphc_ir::loops::Program;
use std::hash::BuildHasher;

/// What Cranelift has compiled so far.
#[derive(Default)]
pub(crate) struct Templates {
    /// By the hash of what it was given.
    by_hash: QuickMap<u64, Vec<Template>>,
}

/// A compiled function without names.
struct Template {
    /// What Cranelift was given, apart from names.
    given: FunctionStencil,
    code: Vec<u8>,
    alignment: u64,
    relocs: Vec<FinalizedMachReloc>,
}

impl Templates {
    /// Defines the function in a context, which is compiled unless one like it was before.
    ///
    /// # Errors
    /// If Cranelift refuses the function, or the module has no room for it.
    pub(crate) fn define<M: Module>(
        &mut self,
        module: &mut M,
        function: FuncId,
        context: &mut Context,
        program: &Program,
    ) -> Result<(), Box<ModuleError>> {
        let stencil = &context.func.stencil;
        let alike = self.by_hash.entry(self.by_hash.hasher().hash_one(stencil)).or_default();
        let number = match alike.iter().position(|template| template.given == *stencil) {
            Some(known) => known,
            None => {
                alike.push(Template::compile(module, context)?);
                alike.len() - 1
            }
        };
        let Template { code, alignment, relocs, .. } = &alike[number];
        let relocs = relocs.iter().map(|reloc| ModuleReloc::from_mach_reloc(reloc, &context.func, function)).collect();
        let mut code = code.clone();
        let relocs = fill_in(&mut code, relocs, program);
        Ok(module.define_function_bytes(function, *alignment, &code, &relocs)?)
    }
}

impl Template {
    fn compile<M: Module>(module: &M, context: &mut Context) -> Result<Template, Box<ModuleError>> {
        let given = context.func.stencil.clone();
        let compiled = context.compile(module.isa(), &mut Default::default());
        let compiled = compiled.map_err(|error| Box::new(ModuleError::from(error)))?;
        Ok(Template {
            given,
            code: compiled.code_buffer().to_vec(),
            alignment: u64::from(compiled.buffer.alignment),
            relocs: compiled.buffer.relocs().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clif::emit_program;
    use crate::options::CodegenOptions;
    use crate::select::select;
    use crate::target::{Isa, Target};
    use cranelift_jit::{JITBuilder, JITModule};

    /// How many functions of two kernels are compiled: the second one works on `b1` by that statement.
    fn n_compiled(statement: &str) -> usize {
        let text = format!(
            "program \"t\" (batch=1, arena=256) {{
            buffer b0: f32 output \"x\" [128] strides=[1] chunk=128 len=128 @0
            buffer b1: f32 output \"y\" [128] strides=[1] chunk=128 len=128 @128
            kernel \"k\" {{ nest \"a\" {{ for i0 in 0..100 {{ v0 = load b0[i0] v1 = neg v0 store b0[i0 + 1] = v1 }} }} }}
            kernel \"l\" {{ nest \"b\" {{ for i0 in 0..100 {{ v0 = load b1[i0] {statement} }} }} }} }}"
        );
        let program: Program = text.parse().unwrap();
        let (target, options) = (Target::host(Isa::Native).unwrap(), CodegenOptions::default());
        let names = cranelift_module::default_libcall_names();
        let mut module = JITModule::new(JITBuilder::with_isa(target.isa().clone(), names));
        let mut templates = Templates::default();
        emit_program(&mut module, &select(&program, &target, &options), &mut |module, function, context| {
            templates.define(module, function, context, &program)
        })
        .unwrap();
        templates.by_hash.values().map(Vec::len).sum()
    }

    #[test]
    fn functions_that_differ_in_names_are_compiled_once() {
        let once = n_compiled("v1 = neg v0 store b1[i0 + 1] = v1");
        assert!(once > 0);
        assert!(n_compiled("v1 = neg v0 store b1[i0 + 2] = v1") > once, "another index");
        assert!(n_compiled("v1 = abs v0 store b1[i0 + 1] = v1") > once, "another operation");
        assert!(n_compiled("v1 = neg v0 store b0[i0 + 1] = v1") > once, "two buffers");
    }
}
