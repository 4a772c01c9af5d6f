//! Code to be read: every function of a program as Cranelift's input and as machine code, for any machine.

use crate::asm::assembler::Line;
use crate::clif::{buffer_at, emit_program, loop_of};
use crate::error::CodegenError;
use crate::select::Selection;
use crate::target::Target;
use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{Function, LibCall, Signature};
use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_codegen::{Final, MachSrcLoc};
use cranelift_module::{
    DataDescription, DataId, FuncId, Linkage, Module, ModuleDeclarations, ModuleError, ModuleReloc, ModuleRelocTarget,
    ModuleResult,
};
use graphc_ir::index::Var;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Text of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionText {
    /// For example `k3.nest0.conv1`, `k3.phase0` or `tile4`.
    pub name: String,
    /// Cranelift's intermediate form; of an assembled function, its shape.
    pub clif: String,
    /// Its machine code.
    pub asm: String,
}

/// The functions of a selected program: phases and nests kernel by kernel, then the assembled ones.
///
/// # Errors
/// If the program breaks a rule of the loop IR, or Cranelift refuses a function.
pub fn listing(selection: &Selection<'_>) -> Result<Vec<FunctionText>, CodegenError> {
    let pages = Pages::of(selection)?;
    let names: Vec<String> = pages.pages.iter().map(|page| pages.name(page)).collect();
    let callers = callers(&pages, selection);
    let (mut emitted, mut assembled) = (Vec::new(), Vec::new());
    for (page, name) in pages.pages.iter().zip(names) {
        let nest = nest_of(selection, &name);
        let asm = page_text(page, &pages, selection.target, nest);
        match &page.clif {
            Some(clif) => emitted.push(FunctionText { name, clif: clif.clone(), asm }),
            None => {
                let shape = selection.shapes.describe(&name).unwrap_or_default();
                let of = callers.get(&name).map_or_else(String::new, |of| format!("; of {}\n", of.join(", ")));
                assembled.push(FunctionText { clif: format!("{of}{shape}"), asm: format!("{of}{asm}"), name });
            }
        }
    }
    emitted.extend(assembled);
    Ok(emitted)
}

/// The nest of a function of that name, quoted.
fn nest_of(selection: &Selection<'_>, name: &str) -> Option<String> {
    let mut functions = selection.kernels.iter().flat_map(|kernel| &kernel.functions);
    let function = functions.find(|function| function.name == name)?;
    (!function.nest.is_empty()).then(|| format!("{:?}", function.nest))
}

/// The functions that call each assembled function, by its name.
fn callers(pages: &Pages, selection: &Selection<'_>) -> BTreeMap<String, Vec<String>> {
    let mut callers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for page in pages.pages.iter().filter(|page| page.clif.is_some()) {
        let caller = pages.name(page);
        for callee in page.relocs.iter().filter_map(|reloc| pages.target(reloc)) {
            let of = callers.entry(callee.clone()).or_default();
            if selection.shapes.describe(&callee).is_some() && !of.contains(&caller) {
                of.push(caller.clone());
            }
        }
    }
    callers.retain(|_, of| !of.is_empty());
    callers
}

/// The machine code of a function; without a disassembler, Cranelift's own text of it.
fn page_text(page: &Page, pages: &Pages, target: &Target, nest: Option<String>) -> String {
    let place = |reloc: &ModuleReloc| Some((reloc.offset as usize, pages.target(reloc)?));
    let calls: BTreeMap<usize, String> = page.relocs.iter().filter_map(place).collect();
    let lines = target.instruction_set().and_then(|set| set.disassemble(&page.code, &calls));
    let Some(lines) = lines else { return page.vcode.clone() };
    let mut text = String::new();
    for line in lines {
        _ = match line {
            Line::Label { name, end: Some(end) } => writeln!(text, "{name}:{}", loop_comment(page, end, &nest)),
            Line::Label { name, end: None } => writeln!(text, "{name}:"),
            Line::Instruction { offset, text: instruction } => writeln!(text, "{offset:5x}  {instruction}"),
        };
    }
    text
}

/// Which loop of the program it is that ends at that place, and of which nest.
fn loop_comment(page: &Page, end: usize, nest: &Option<String>) -> String {
    let var = page.loops.iter().rev().find(|(start, _)| *start <= end).map(|(_, var)| format!("for {var}"));
    let nest = nest.as_ref().map(|nest| format!("of nest {nest}"));
    let words: Vec<String> = [var, nest].into_iter().flatten().collect();
    if words.is_empty() { String::new() } else { format!("  ; {}", words.join(" ")) }
}

/// A function before it is linked.
pub(crate) struct Page {
    function: FuncId,
    /// None if it was assembled.
    clif: Option<String>,
    pub(crate) code: Vec<u8>,
    pub(crate) relocs: Vec<ModuleReloc>,
    /// Where instructions of a loop begin, and its variable.
    loops: Vec<(usize, Var)>,
    vcode: String,
}

/// A module that keeps functions as they are before they are linked.
pub(crate) struct Pages {
    isa: OwnedTargetIsa,
    declarations: ModuleDeclarations,
    pub(crate) pages: Vec<Page>,
}

impl Pages {
    /// The functions of a selected program.
    pub(crate) fn of(selection: &Selection<'_>) -> Result<Pages, CodegenError> {
        let (isa, declarations) = (selection.target.isa().clone(), ModuleDeclarations::default());
        let mut pages = Pages { isa, declarations, pages: Vec::new() };
        emit_program(&mut pages, selection, &mut |pages, function, context| {
            Ok(pages.define_function(function, context)?)
        })?;
        Ok(pages)
    }

    /// The name of a function.
    pub(crate) fn name(&self, page: &Page) -> String {
        self.name_of(page.function)
    }

    fn name_of(&self, function: FuncId) -> String {
        self.declarations.get_function_decl(function).linkage_name(function).into_owned()
    }

    /// The name of what is filled in at a place.
    fn target(&self, reloc: &ModuleReloc) -> Option<String> {
        if let Some(buffer) = buffer_at(reloc) {
            return Some(buffer.to_string());
        }
        match &reloc.name {
            ModuleRelocTarget::User { namespace: 0, index } => Some(self.name_of(FuncId::from_u32(*index))),
            ModuleRelocTarget::LibCall(LibCall::FmaF32) => Some("fmaf".to_owned()),
            ModuleRelocTarget::LibCall(call) => Some(call.to_string()),
            _ => None,
        }
    }
}

impl Module for Pages {
    fn isa(&self) -> &dyn TargetIsa {
        &*self.isa
    }

    fn declarations(&self) -> &ModuleDeclarations {
        &self.declarations
    }

    fn declare_function(&mut self, name: &str, linkage: Linkage, signature: &Signature) -> ModuleResult<FuncId> {
        self.declarations.declare_function(name, linkage, signature).map(|(function, _)| function)
    }

    fn declare_anonymous_function(&mut self, signature: &Signature) -> ModuleResult<FuncId> {
        self.declarations.declare_anonymous_function(signature)
    }

    fn declare_data(&mut self, name: &str, linkage: Linkage, writable: bool, tls: bool) -> ModuleResult<DataId> {
        self.declarations.declare_data(name, linkage, writable, tls).map(|(data, _)| data)
    }

    fn declare_anonymous_data(&mut self, writable: bool, tls: bool) -> ModuleResult<DataId> {
        self.declarations.declare_anonymous_data(writable, tls)
    }

    fn define_function_with_control_plane(
        &mut self,
        function: FuncId,
        context: &mut Context,
        control_plane: &mut ControlPlane,
    ) -> ModuleResult<()> {
        let clif = without_locations(&context.func).display().to_string();
        context.set_disasm(true);
        context.compile(&*self.isa, control_plane)?;
        let compiled = context.compiled_code().expect("it has just been compiled");
        let relocs = compiled.buffer.relocs().iter();
        self.pages.push(Page {
            function,
            clif: Some(clif),
            code: compiled.code_buffer().to_vec(),
            relocs: relocs.map(|reloc| ModuleReloc::from_mach_reloc(reloc, &context.func, function)).collect(),
            loops: compiled.buffer.get_srclocs_sorted().iter().filter_map(loop_at).collect(),
            vcode: compiled.vcode.clone().unwrap_or_default(),
        });
        Ok(())
    }

    fn define_function_bytes(
        &mut self,
        function: FuncId,
        _alignment: u64,
        bytes: &[u8],
        relocs: &[ModuleReloc],
    ) -> ModuleResult<()> {
        let (code, relocs) = (bytes.to_vec(), relocs.to_vec());
        self.pages.push(Page { function, clif: None, code, relocs, loops: Vec::new(), vcode: String::new() });
        Ok(())
    }

    fn define_data(&mut self, data: DataId, _description: &DataDescription) -> ModuleResult<()> {
        Err(ModuleError::InvalidImportDefinition(format!("{data}: these functions have no data")))
    }
}

/// The function without the numbers that say which loop an instruction is of.
fn without_locations(function: &Function) -> Function {
    let mut function = function.clone();
    function.srclocs.clear();
    function
}

/// Where instructions of a loop begin, and its variable.
fn loop_at(location: &MachSrcLoc<Final>) -> Option<(usize, Var)> {
    Some((location.start as usize, loop_of(location.loc)?))
}
