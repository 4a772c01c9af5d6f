//! Where buffers begin: names in CLIF, which become offsets in the arena, or in the memory of a member, when a
//! function is linked.
//!
//! So the code of a function does not depend on where its buffers are, and serves every function that differs in that
//! alone (see `templates`).

use super::function::FunctionEmitter;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{ExternalName, GlobalValueData, InstBuilder, UserExternalName, Value};
use cranelift_module::{ModuleReloc, ModuleRelocTarget};
use graphc_ir::loops::{BufId, Program};
use graphc_ir::types::WORD_BYTES;

/// The namespace of buffers; that of functions is 0.
const BUFFERS: u32 = 1;

impl FunctionEmitter<'_, '_> {
    /// The address of a buffer's first word, made once at the head of the function.
    pub(super) fn base(&mut self, buffer: BufId) -> Value {
        if let Some(&known) = self.bases.get(&buffer) {
            return known;
        }
        let func = &mut self.builder.func;
        let name = func.declare_imported_user_function(UserExternalName { namespace: BUFFERS, index: buffer.0 });
        let (name, offset) = (ExternalName::user(name), 0.into());
        let offset = func.create_global_value(GlobalValueData::Symbol { name, offset, colocated: false, tls: false });
        let memory = if self.program.buffer(buffer).is_of_member() { self.member } else { self.arena };
        let base = self.indices.hoist(&mut self.builder, 0, |cursor| {
            let offset = cursor.ins().symbol_value(I64, offset);
            cursor.ins().iadd(memory, offset)
        });
        self.bases.insert(buffer, base);
        base
    }
}

/// The buffer whose offset a place is for.
pub(crate) fn buffer_at(reloc: &ModuleReloc) -> Option<BufId> {
    match reloc.name {
        ModuleRelocTarget::User { namespace: BUFFERS, index } => Some(BufId(index)),
        _ => None,
    }
}

/// Writes the offsets of buffers, in bytes, into the code of a function. Gives the places that are left to fill in.
pub(super) fn fill_in(code: &mut [u8], relocs: Vec<ModuleReloc>, program: &Program) -> Vec<ModuleReloc> {
    let mut rest = Vec::with_capacity(relocs.len());
    for reloc in relocs {
        let Some(buffer) = buffer_at(&reloc) else {
            rest.push(reloc);
            continue;
        };
        assert_eq!(reloc.kind, Reloc::Abs8, "the offset of {buffer} is an immediate of eight bytes");
        let (at, bytes) =
            (reloc.offset as usize, program.buffer(buffer).offset as i64 * WORD_BYTES as i64 + reloc.addend);
        code[at..at + 8].copy_from_slice(&bytes.to_le_bytes());
    }
    rest
}
