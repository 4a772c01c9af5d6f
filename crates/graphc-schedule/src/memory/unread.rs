//! Temporaries that nothing reads are not stored.
//!
//! A stored value may have all its readers in the nest that computes it, such as a gradient that several values of an
//! optimizer's update need. They have it in registers.

use graphc_ir::loops::{BufId, Buffer, BufferKind, Kernel, Stmt};
use std::collections::BTreeSet;

/// Takes the stores to unread temporaries out of all kernels.
pub(crate) fn remove(buffers: &[Buffer], kernels: &mut [Kernel]) {
    let mut read = BTreeSet::new();
    for stmt in kernels.iter().flat_map(|kernel| &kernel.body) {
        stmt.for_each_access(&mut |access, is_store| {
            if !is_store {
                read.insert(access.buffer);
            }
        });
    }
    let is_unread = |buffer: BufId| buffers[buffer.0 as usize].kind == BufferKind::Temp && !read.contains(&buffer);
    kernels.iter_mut().for_each(|kernel| remove_from(&mut kernel.body, &is_unread));
}

fn remove_from(stmts: &mut Vec<Stmt>, is_unread: &dyn Fn(BufId) -> bool) {
    stmts.retain(|stmt| !matches!(stmt, Stmt::Store { to, .. } if is_unread(to.buffer)));
    for stmt in stmts {
        match stmt {
            Stmt::Nest { body, .. } | Stmt::For { body, .. } | Stmt::Lanes { body, .. } => remove_from(body, is_unread),
            // A tile's only purpose is what it stores.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphc_ir::loops::Program;

    #[test]
    fn stores_that_nothing_reads_go() {
        let kinds = ["input", "temp", "temp", "output"];
        let buffers: String = kinds
            .iter()
            .enumerate()
            .map(|(i, kind)| format!("buffer b{i}: f32 {kind} \"t{i}\" [16] strides=[1] chunk=16 len=16 @{}\n", 16 * i))
            .collect();
        let text = |stores: &str| {
            format!(
                "program \"p\" (batch=1, arena=64) {{\n{buffers}kernel \"k\" from \"a\" {{ nest \"n\" {{ lanes i0 {{
                 v0 = load b0[i0] {stores} }} lanes i1 {{ v1 = load b1[i1] store b3[i1 + 8] = v1 }} }} }} }}"
            )
        };
        let parsed = |text: &str| text.parse::<Program>().unwrap_or_else(|error| panic!("{error} in\n{text}"));
        let mut program = parsed(&text("store b1[i0] = v0 store b2[i0] = v0 store b3[i0] = v0"));
        remove(&program.buffers, &mut program.kernels);
        assert_eq!(program, parsed(&text("store b1[i0] = v0 store b3[i0] = v0")));
    }
}
