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
