//! Gives every buffer its place in the arena.
//!
//! State comes first, then inputs and outputs: they keep their words. Temporaries share the rest: two of
//! them may overlap if no phase lies within the lives of both. A phase is a top-level statement of a
//! kernel; chunks of one phase may run in any order, so all its buffers live through the whole of it. What the
//! prologue touches lives for good.
//! Before that, results are laid over what they are computed from where that can be
//! ([`overlay`](crate::memory::overlay)).

use crate::memory::overlay;
use crate::memory::places::Places;
use graphc_ir::loops::{Buffer, BufferKind, Kernel, KernelRole};
use graphc_ir::scalar::CHUNK;
use std::collections::{BTreeMap, BTreeSet};

/// Sets the offsets of all buffers; gives the length of the arena in words.
pub(crate) fn run(buffers: &mut [Buffer], kernels: &[Kernel]) -> usize {
    let n_phases = kernels.iter().map(|kernel| kernel.body.len()).sum();
    let mut lives = lives(buffers.len(), kernels);
    let overlays = overlay(buffers, kernels, &mut lives);
    let mut end = 0;
    for kind in [BufferKind::State, BufferKind::Input, BufferKind::Output] {
        for buffer in buffers.iter_mut().filter(|buffer| buffer.kind == kind) {
            buffer.offset = end;
            end += buffer.len;
        }
    }
    // Large buffers first, each at the lowest place that is free through its life.
    let is_placed = |i: &usize| buffers[*i].kind == BufferKind::Temp && !overlays.contains_key(i);
    let mut temps: Vec<usize> = (0..buffers.len()).filter(is_placed).collect();
    temps.sort_by_key(|&i| (std::cmp::Reverse(buffers[i].len), i));
    let (base, mut places) = (end, Places::new(n_phases + temps.len()));
    // Every buffer that nothing touches has a phase of its own, behind all others.
    let mut untouched = n_phases..;
    for &i in &temps {
        let life = match lives[i] {
            Some((first, usize::MAX)) => (first, n_phases + temps.len() - 1),
            Some(life) => life,
            None => untouched.next().map(|phase| (phase, phase)).expect("there are numbers enough"),
        };
        let offset = places.lowest_free(life, base, buffers[i].len).next_multiple_of(CHUNK);
        buffers[i].offset = offset;
        places.take(life, offset, offset + buffers[i].len);
        end = end.max(offset + buffers[i].len);
    }
    for (second, first) in overlays {
        buffers[second].offset = buffers[first].offset;
    }
    end
}

/// Temporaries that take the place of others, which then live as long as both: pairs of the second and the one that
/// is placed for it.
fn overlay(buffers: &[Buffer], kernels: &[Kernel], lives: &mut [Life]) -> BTreeMap<usize, usize> {
    let mut placed_for: BTreeMap<usize, usize> = BTreeMap::new();
    let mut overwritten = BTreeSet::new();
    for (phase, stmt) in kernels.iter().flat_map(|kernel| &kernel.body).enumerate() {
        for (first, second) in overlay::pairs(stmt) {
            let [first, second] = [first, second].map(|buffer| buffer.0 as usize);
            let are_temps = [first, second].iter().all(|&i| buffers[i].kind == BufferKind::Temp);
            let placed = placed_for.get(&first).copied().unwrap_or(first);
            let (Some((from, last)), Some((begin, until))) = (lives[placed], lives[second]) else { continue };
            let meet = last == phase && begin == phase && until != usize::MAX;
            let is_free = !overwritten.contains(&first) && !placed_for.contains_key(&second);
            if are_temps && meet && is_free && buffers[first].len == buffers[second].len {
                overwritten.insert(first);
                placed_for.insert(second, placed);
                lives[placed] = Some((from, until));
            }
        }
    }
    placed_for
}

/// First and last phase that touches each buffer, the last without end if the prologue does; none if nothing does.
type Life = Option<(usize, usize)>;

fn lives(n_buffers: usize, kernels: &[Kernel]) -> Vec<Life> {
    let mut lives = vec![None; n_buffers];
    let phases = kernels.iter().flat_map(|kernel| kernel.body.iter().map(|stmt| (kernel.role, stmt)));
    for (phase, (role, stmt)) in phases.enumerate() {
        stmt.for_each_access(&mut |access, _| {
            let life: &mut Life = &mut lives[access.buffer.0 as usize];
            *life = Some(match *life {
                // What the prologue leaves must outlive every later step.
                _ if role == KernelRole::Prologue => (0, usize::MAX),
                Some((first, last)) => (first, last.max(phase)),
                None => (phase, phase),
            });
        });
    }
    lives
}
