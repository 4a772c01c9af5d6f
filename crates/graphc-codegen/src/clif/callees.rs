//! Functions that the emitted ones call, with their signatures.

use crate::asm::assembler::Assembled as Code;
use crate::asm::unit::ShapeKind;
use crate::error::CodegenError;
use crate::select::selection::{SelectedFunction, SelectedKernel};
use crate::select::shapes::{ShapeId, Shapes};
use crate::target::Target;
use cranelift_codegen::ir::{AbiParam, Signature, types};
use cranelift_codegen::isa::{CallConv, TargetIsa};
use cranelift_module::{FuncId, Linkage, Module};
use graphc_ir::index::Var;

/// Bytes; a whole fetch of two cache lines.
const CODE_ALIGNMENT: u64 = 64;

/// The assembled functions of a program.
pub(super) struct Assembled {
    /// With the number of parameters behind the three pointers.
    tiles: Vec<(FuncId, usize)>,
    straight_lines: Vec<FuncId>,
    transposes: Vec<FuncId>,
    /// What phases call when they are entered and before they return.
    mode: Option<[FuncId; 2]>,
}

impl Assembled {
    /// Assembles the shapes of a program and defines them in the module.
    pub(super) fn define<M: Module>(
        module: &mut M,
        shapes: &Shapes,
        target: &Target,
    ) -> Result<Assembled, CodegenError> {
        let mut define = |name: String, signature: Signature, code: Code| {
            let refused = |message| CodegenError::Backend { function: name.clone(), message };
            let code = code.map_err(refused)?;
            let function = module.declare_function(&name, Linkage::Local, &signature);
            let function = function.map_err(|error| refused(error.to_string()))?;
            let defined = module.define_function_bytes(function, CODE_ALIGNMENT, &code, &[]);
            defined.map_err(|error| refused(error.to_string())).map(|()| function)
        };
        let mode = match target.instruction_set().map(|set| set.mode()) {
            None => None,
            Some(mode) => Some([
                define("enter".to_owned(), enter_signature(), Ok(mode.enter))?,
                define("leave".to_owned(), integer_signature(1), Ok(mode.leave))?,
            ]),
        };
        let mut assembled = Assembled { tiles: Vec::new(), straight_lines: Vec::new(), transposes: Vec::new(), mode };
        let Some(assembler) = target.assembler() else { return Ok(assembled) };
        let name = |kind, number| ShapeId { kind, number }.to_string();
        for (number, (shape, plan)) in shapes.tiles.iter().enumerate() {
            let n_counts = shape.n_counts();
            let code = assembler.tile(shape, plan);
            let function = define(name(ShapeKind::Tile, number), tile_signature(n_counts), code)?;
            assembled.tiles.push((function, n_counts));
        }
        for (number, (shape, plan)) in shapes.straight_lines.iter().enumerate() {
            let code = assembler.straight_line(shape, plan);
            let function = define(name(ShapeKind::StraightLine, number), straight_line_signature(), code)?;
            assembled.straight_lines.push(function);
        }
        for (number, &shape) in shapes.transposes.iter().enumerate() {
            let code = assembler.transpose(shape);
            assembled.transposes.push(define(name(ShapeKind::Transpose, number), transpose_signature(), code)?);
        }
        Ok(assembled)
    }
}

/// A declared function of the same module.
pub(super) struct Callee {
    pub(super) function: FuncId,
    pub(super) signature: Signature,
}

/// The functions that those of a kernel may call.
pub(super) struct Callees<'s> {
    assembled: &'s Assembled,
    kernel: &'s SelectedKernel<'s>,
    /// Of the kernel's functions.
    ids: &'s [FuncId],
    isa: &'s dyn TargetIsa,
}

impl<'s> Callees<'s> {
    pub(super) fn new(
        assembled: &'s Assembled,
        kernel: &'s SelectedKernel<'s>,
        ids: &'s [FuncId],
        isa: &'s dyn TargetIsa,
    ) -> Callees<'s> {
        Callees { assembled, kernel, ids, isa }
    }

    /// The signature of a phase or nest.
    pub(super) fn own_signature(&self, function: &SelectedFunction<'_>) -> Signature {
        signature(function.params.len(), self.isa)
    }

    /// The function of a nest, and the variables that it is called with.
    pub(super) fn nest(&self, number: usize) -> (Callee, &'s [Var]) {
        let function = &self.kernel.functions[number];
        let signature = self.own_signature(function);
        (Callee { function: self.ids[number], signature }, &function.params)
    }

    /// An assembled function.
    pub(super) fn shape(&self, id: ShapeId) -> Callee {
        let (function, signature) = match id.kind {
            ShapeKind::Tile => {
                let (function, n_counts) = self.assembled.tiles[id.number];
                (function, tile_signature(n_counts))
            }
            ShapeKind::StraightLine => (self.assembled.straight_lines[id.number], straight_line_signature()),
            ShapeKind::Transpose => (self.assembled.transposes[id.number], transpose_signature()),
        };
        Callee { function, signature }
    }

    /// The functions that set and restore the processor's mode, if it has one.
    pub(super) fn mode(&self) -> Option<[Callee; 2]> {
        let [enter, leave] = self.assembled.mode?;
        let enter = Callee { function: enter, signature: enter_signature() };
        Some([enter, Callee { function: leave, signature: integer_signature(1) }])
    }
}

/// `fn(arena: *mut u8, member: *mut u8, i64…) -> i32`
pub(super) fn signature(n_params: usize, isa: &dyn TargetIsa) -> Signature {
    let mut signature = Signature::new(isa.default_call_conv());
    signature.params.extend((0..2 + n_params).map(|_| AbiParam::new(types::I64)));
    signature.returns.push(AbiParam::new(types::I32));
    signature
}

/// `fn(a, b, out, counts…)`
fn tile_signature(n_counts: usize) -> Signature {
    integer_signature(3 + n_counts)
}

/// `fn(table, count)`
fn straight_line_signature() -> Signature {
    integer_signature(2)
}

/// `fn(from, to, count)`
fn transpose_signature() -> Signature {
    integer_signature(3)
}

/// `fn() -> control word`
fn enter_signature() -> Signature {
    let mut enter = integer_signature(0);
    enter.returns.push(AbiParam::new(types::I64));
    enter
}

/// A function of so many pointers and counts without a result.
fn integer_signature(n_params: usize) -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend((0..n_params).map(|_| AbiParam::new(types::I64)));
    signature
}
