//! The rules of the prologue.

use super::Finding;
use crate::loops::kernel::*;
use std::collections::BTreeSet;

/// Reports what would make a step without the prologue differ from one with it.
pub(super) fn check(program: &Program, findings: &mut Vec<Finding>) {
    if program.n_prologue > program.kernels.len() {
        let message = format!("a prologue of {} of {} kernels", program.n_prologue, program.kernels.len());
        findings.push(Finding { kernel: String::new(), nest: String::new(), line: program.name.clone(), message });
        return;
    }
    let (first, later) = program.kernels.split_at(program.n_prologue);
    let [prologue, steps] = [first, later].map(Touched::of);
    for kernel in first {
        let touched = Touched::of(std::slice::from_ref(kernel));
        let mut report = |buffer: BufId, message: &str| {
            let (kernel, line) = (kernel.name.clone(), format!("kernel {:?}", kernel.name));
            findings.push(Finding { kernel, nest: String::new(), line, message: format!("{message} {buffer}") });
        };
        for &buffer in &touched.read {
            let Some(kind) = kind_of(program, buffer) else { continue };
            match kind {
                BufferKind::State if steps.written.contains(&buffer) => {
                    report(buffer, "the prologue reads what a step changes:");
                }
                BufferKind::Input => report(buffer, "the prologue reads the input"),
                BufferKind::Output | BufferKind::Temp if !prologue.written.contains(&buffer) => {
                    report(buffer, "the prologue reads what it does not write:");
                }
                BufferKind::State | BufferKind::Output | BufferKind::Temp => {}
            }
        }
        for &buffer in &touched.written {
            if steps.written.contains(&buffer) {
                report(buffer, "a step overwrites what the prologue leaves in");
            }
            if matches!(kind_of(program, buffer), Some(BufferKind::Input | BufferKind::State)) {
                report(buffer, "the prologue writes to the caller's");
            }
            if shares_words(program, buffer) {
                report(buffer, "another buffer shares the words of the prologue's");
            }
        }
    }
}

fn kind_of(program: &Program, buffer: BufId) -> Option<BufferKind> {
    program.buffers.get(buffer.0 as usize).map(|buffer| buffer.kind)
}

fn shares_words(program: &Program, id: BufId) -> bool {
    let Some(buffer) = program.buffers.get(id.0 as usize) else { return false };
    let end = buffer.offset.saturating_add(buffer.len);
    program.buffers.iter().enumerate().any(|(number, other)| {
        number != id.0 as usize && buffer.offset < other.offset.saturating_add(other.len) && other.offset < end
    })
}

/// Buffers that some kernels touch.
#[derive(Default)]
struct Touched {
    read: BTreeSet<BufId>,
    written: BTreeSet<BufId>,
}

impl Touched {
    fn of(kernels: &[Kernel]) -> Touched {
        let mut touched = Touched::default();
        kernels.iter().flat_map(|kernel| &kernel.body).for_each(|stmt| {
            stmt.for_each_access(&mut |access, writes| {
                _ = if writes { touched.written.insert(access.buffer) } else { touched.read.insert(access.buffer) };
            });
        });
        touched
    }
}
