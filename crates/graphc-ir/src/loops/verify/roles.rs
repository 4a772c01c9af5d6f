//! The rules of the roles of kernels.

use super::finding::Finding;
use crate::loops::kernel::*;
use std::collections::BTreeSet;

/// Reports what breaks the promises of the kernels' roles.
pub(super) fn check(program: &Program, findings: &mut Vec<Finding>) {
    check_order(program, findings);
    check_prologue(program, findings);
    for kernel in program.kernels.iter().filter(|kernel| kernel.role == KernelRole::Update) {
        for &buffer in &Touched::of(std::slice::from_ref(kernel)).written {
            let is_kept = |kind| !matches!(kind, BufferKind::State | BufferKind::Member);
            if kind_of(program, buffer).is_some_and(is_kept) {
                findings.push(finding(kernel, format!("an update writes what is no state: {buffer}")));
            }
        }
    }
}

fn check_order(program: &Program, findings: &mut Vec<Finding>) {
    for pair in program.kernels.windows(2) {
        let [role, next] = [&pair[0], &pair[1]].map(|kernel| kernel.role);
        if role > next {
            findings.push(finding(&pair[1], format!("the role {} behind the role {}", next.name(), role.name())));
        }
    }
}

fn finding(kernel: &Kernel, message: String) -> Finding {
    Finding { kernel: kernel.name.clone(), nest: String::new(), line: format!("kernel {:?}", kernel.name), message }
}

/// Reports what would make a step without the prologue differ from one with it.
fn check_prologue(program: &Program, findings: &mut Vec<Finding>) {
    let (first, later) = (program.prologue(), program.each_step());
    let [prologue, steps] = [first, later].map(Touched::of);
    for kernel in first {
        let touched = Touched::of(std::slice::from_ref(kernel));
        let mut report = |buffer: BufId, message: &str| findings.push(finding(kernel, format!("{message} {buffer}")));
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
                BufferKind::State
                | BufferKind::Output
                | BufferKind::Temp
                | BufferKind::Constant
                | BufferKind::Member => {}
            }
        }
        let leaves = |buffer: &&BufId| kind_of(program, **buffer) != Some(BufferKind::Member);
        for &buffer in touched.written.iter().filter(leaves) {
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
    program.buffers.iter().enumerate().any(|(number, other)| number != id.0 as usize && buffer.shares_words(other))
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
