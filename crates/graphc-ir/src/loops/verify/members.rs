//! The rules of buffers of which every member of a team has one.

use super::finding::Finding;
use crate::loops::kernel::*;
use std::collections::{BTreeMap, BTreeSet};

/// Reports members' buffers that more than the tasks of one loop touch, and those that are loaded before anything is
/// stored to them. Whether every word is stored before it is loaded is seen by the interpreter.
pub(super) fn check(program: &Program, findings: &mut Vec<Finding>) {
    let is_of_member = |id: BufId| program.buffers.get(id.0 as usize).is_some_and(Buffer::is_of_member);
    let mut touched_in: BTreeMap<BufId, usize> = BTreeMap::new();
    let phases = program.kernels.iter().flat_map(|kernel| kernel.body.iter().map(move |stmt| (kernel, stmt)));
    for (number, (kernel, phase)) in phases.enumerate() {
        let mut mistakes = BTreeSet::new();
        let is_shared = matches!(phase, Stmt::For { kind: LoopKind::Parallel, .. });
        let mut stored = BTreeSet::new();
        phase.for_each_access(&mut |access, is_store| {
            let buffer = access.buffer;
            if !is_of_member(buffer) {
                return;
            }
            if !is_shared {
                mistakes.insert((buffer, "is touched outside parallel loops"));
            }
            if *touched_in.entry(buffer).or_insert(number) != number {
                mistakes.insert((buffer, "is touched in more than one phase"));
            }
            if is_store {
                stored.insert(buffer);
            } else if !stored.contains(&buffer) {
                mistakes.insert((buffer, "is loaded before anything is stored to it"));
            }
        });
        findings.extend(mistakes.into_iter().map(|(buffer, mistake)| Finding {
            kernel: kernel.name.clone(),
            nest: String::new(),
            line: format!("buffer {buffer}: {}", program.buffer(buffer)),
            message: format!("a member's buffer {mistake}"),
        }));
    }
}
