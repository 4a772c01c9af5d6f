//! Gives every buffer its place in the arena, or in the memory of each member of a team.
//!
//! State comes first, then inputs, outputs and constants: they keep their words. Temporaries share the rest: two of
//! them may overlap if no phase lies within the lives of both. A phase is a top-level statement of a
//! kernel; chunks of one phase may run in any order, so all its buffers live through the whole of it. What the
//! prologue touches lives for good. What lives within one task is apart ([`members`](crate::memory::members)): a
//! member runs one task after the other, so that such buffers may overlap if no nest lies within the lives of both.
//! Before that, results are laid over what they are computed from where that can be
//! ([`overlay`](crate::memory::overlay)).

use crate::memory::members::Private;
use crate::memory::places::Places;
use crate::memory::{members, overlay};
use graphc_ir::loops::{Buffer, BufferKind, Kernel, KernelRole};
use graphc_ir::scalar::CHUNK;
use std::collections::{BTreeMap, BTreeSet};

/// Sets the offsets of all buffers, some of which become those of members; gives the lengths of the arena and of a
/// member's memory in words. Those of `gradients` that are temporaries and in use lie side by side, and so do those
/// that are outputs.
pub(crate) fn run(buffers: &mut [Buffer], kernels: &mut [Kernel], gradients: &BTreeSet<usize>) -> [usize; 2] {
    let n_phases = kernels.iter().map(|kernel| kernel.body.len()).sum();
    let pairs = pairs(kernels);
    let (privates, n_nests) = members::find(buffers, kernels);
    let mut lives = lives(buffers.len(), kernels);
    for (&i, private) in &privates {
        lives[i] = Some(private.life);
    }
    let waits = |i: &usize| gradients.contains(i) && lives[*i].is_some() && buffers[*i].kind == BufferKind::Temp;
    let waiting: Vec<usize> = (0..buffers.len()).filter(waits).collect();
    let pairs = pairs.into_iter().filter(|(_, [_, second])| !waiting.contains(second));
    let overlays = overlay(buffers, pairs, &privates, &mut lives);
    let mut end = 0;
    for kind in [BufferKind::State, BufferKind::Input, BufferKind::Output, BufferKind::Constant] {
        let mut of_kind: Vec<usize> = (0..buffers.len()).filter(|&i| buffers[i].kind == kind).collect();
        of_kind.sort_by_key(|i| gradients.contains(i));
        for i in of_kind {
            buffers[i].offset = end;
            end += buffers[i].len;
        }
    }
    let alone = |buffers: &[Buffer], kind: BufferKind| -> Vec<Vec<usize>> {
        let is_alone = |i: &usize| buffers[*i].kind == kind && !overlays.contains_key(i) && !waiting.contains(i);
        (0..buffers.len()).filter(is_alone).map(|i| vec![i]).collect()
    };
    let mut temps = alone(buffers, BufferKind::Temp);
    temps.extend((!waiting.is_empty()).then(|| waiting.clone()));
    let arena_words = place(buffers, temps, &lives, n_phases, end);
    let of_members = alone(buffers, BufferKind::Member);
    let member_words = place(buffers, of_members, &lives, n_nests, 0);
    for (second, first) in overlays {
        buffers[second].offset = buffers[first].offset;
    }
    [arena_words, member_words]
}

/// Places some buffers from `base` on, those of one list side by side; lives are numbers below `n`. Gives the end of
/// the last one.
fn place(buffers: &mut [Buffer], lists: Vec<Vec<usize>>, lives: &[Life], n: usize, base: usize) -> usize {
    let end_of_time = n + lists.len();
    let (mut end, mut places) = (base, Places::new(end_of_time));
    // Every buffer that nothing touches has a number of its own, behind all others.
    let mut untouched = n..;
    let life_of_list =
        |list: &[usize]| list.iter().filter_map(|&i| lives[i]).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let len_of = |buffers: &[Buffer], list: &[usize]| list.iter().map(|&i| buffers[i].len).sum::<usize>();
    // Large ones first, each at the lowest place that is free through its life.
    let mut sorted = lists;
    sorted.sort_by_key(|list| (std::cmp::Reverse(len_of(buffers, list)), list[0]));
    for list in sorted {
        let life = match life_of_list(&list) {
            Some((first, usize::MAX)) => (first, end_of_time - 1),
            Some(life) => life,
            None => untouched.next().map(|number| (number, number)).expect("there are numbers enough"),
        };
        let len = len_of(buffers, &list);
        let offset = places.lowest_free(life, base, len).next_multiple_of(CHUNK);
        places.take(life, offset, offset + len);
        end = end.max(offset + len);
        let mut at = offset;
        for i in list {
            buffers[i].offset = at;
            at += buffers[i].len;
        }
    }
    end
}

/// What may take the place of what, phase by phase: the numbers of both buffers behind that of the phase.
fn pairs(kernels: &[Kernel]) -> Vec<(usize, [usize; 2])> {
    let phases = kernels.iter().flat_map(|kernel| &kernel.body).enumerate();
    let pairs = phases.flat_map(|(phase, stmt)| overlay::pairs(stmt).into_iter().map(move |pair| (phase, pair)));
    pairs.map(|(phase, (first, second))| (phase, [first, second].map(|buffer| buffer.0 as usize))).collect()
}

/// Buffers that take the place of others, which then live as long as both: pairs of the second and the one that
/// is placed for it.
fn overlay(
    buffers: &[Buffer],
    pairs: impl Iterator<Item = (usize, [usize; 2])>,
    privates: &BTreeMap<usize, Private>,
    lives: &mut [Life],
) -> BTreeMap<usize, usize> {
    let mut placed_for: BTreeMap<usize, usize> = BTreeMap::new();
    let mut overwritten = BTreeSet::new();
    for (phase, [first, second]) in pairs {
        let placed = placed_for.get(&first).copied().unwrap_or(first);
        let (Some((from, last)), Some((begin, until))) = (lives[placed], lives[second]) else { continue };
        let meet = match (privates.get(&first), privates.get(&second)) {
            (Some(a), Some(b)) => a.is_alike(b) && a.life.1 == b.life.0 && last == begin,
            (None, None) => last == phase && begin == phase && until != usize::MAX,
            _ => false,
        };
        let are_temps =
            [first, second].iter().all(|&i| matches!(buffers[i].kind, BufferKind::Temp | BufferKind::Member));
        let is_free = !overwritten.contains(&first) && !placed_for.contains_key(&second);
        if are_temps && meet && is_free && buffers[first].len == buffers[second].len {
            overwritten.insert(first);
            placed_for.insert(second, placed);
            lives[placed] = Some((from, until));
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

#[cfg(test)]
mod tests {
    use super::*;
    use graphc_ir::loops::{Program, verify};

    /// Offsets of the buffers of a program, of which the gradients are told, and the lengths of the arena and of a
    /// member's memory.
    fn placed(kinds: &[&str], kernels: &str, gradients: &[usize]) -> (Vec<usize>, [usize; 2]) {
        let buffers: String = kinds
            .iter()
            .enumerate()
            .map(|(i, kind)| {
                let words = if *kind == "constant" { format!("words={:?}", [3; 64]) } else { String::new() };
                format!("buffer b{i}: f32 {kind} \"t{i}\" [64] strides=[1] chunk=64 len=64 @{} {words}\n", 64 * i)
            })
            .collect();
        let text = format!("program \"p\" (batch=1, arena=640) {{\n{buffers}{kernels} }}");
        let mut program: Program = text.parse().unwrap_or_else(|error| panic!("{error} in\n{text}"));
        let lengths = run(&mut program.buffers, &mut program.kernels, &gradients.iter().copied().collect());
        [program.arena_words, program.member_words] = lengths;
        assert_eq!(verify(&program), [], "{program}");
        (program.buffers.iter().map(|buffer| buffer.offset).collect(), lengths)
    }

    /// A phase that copies a buffer to the next one.
    fn copy(from: usize, to: usize) -> String {
        let body = format!("v{to} = load b{from}[i0] store b{to}[-1*i0 + 63] = v{to}");
        format!("nest \"{from}\" {{ for i0 in 0..64 {{ {body} }} }} ")
    }

    #[test]
    fn gradients_that_wait_lie_side_by_side() {
        let kinds = ["input", "temp", "temp", "temp", "temp", "output"];
        let chain = |from: [usize; 5], to: [usize; 5]| {
            let phases: String = from.into_iter().zip(to).map(|(from, to)| copy(from, to)).collect();
            format!("kernel \"k\" {{ {phases} }}")
        };
        // Each lives for two phases, so that two places suffice for all.
        let kernel = chain([0, 1, 2, 3, 4], [1, 2, 3, 4, 5]);
        assert_eq!(placed(&kinds, &kernel, &[]), (vec![0, 128, 192, 128, 192, 64], [256, 0]));
        // Those of two waiting gradients are one stretch through the lives of both.
        let (offsets, lengths) = placed(&kinds, &kernel, &[1, 4]);
        assert_eq!(offsets[4], offsets[1] + 64);
        assert_eq!(lengths, [384, 0]);
        // Of outputs those stand last.
        let kinds = ["input", "output", "temp", "output", "temp", "output"];
        assert_eq!(placed(&kinds, &kernel, &[1, 5]).0[1..6], [128, 256, 64, 256, 192]);
    }

    /// Nothing takes the place of a constant, however early it is read for the last time.
    #[test]
    fn constants_keep_their_words() {
        let kernel = format!("kernel \"k\" {{ {} {} {} }}", copy(0, 1), copy(1, 2), copy(2, 3));
        assert_eq!(placed(&["constant", "temp", "temp", "output"], &kernel, &[]).0, [64, 128, 192, 0]);
        assert_eq!(placed(&["temp", "temp", "temp", "output"], &kernel, &[]).0, [64, 128, 64, 0]);
    }

    #[test]
    fn members_have_room_for_what_lives_at_once() {
        let nest = |from: usize, to: usize| {
            let body = format!("v{to} = load b{from}[8*i0 + i1] store b{to}[8*i0 - 1*i1 + 7] = v{to}");
            format!("nest \"{from}\" {{ for i1 in 0..8 {{ {body} }} }} ")
        };
        let nests: String = (0..4).map(|i| nest(i, i + 1)).collect();
        let kernel = format!("kernel \"k\" {{ parallel i0 in 0..8 {{ {nests} }} }}");
        // A task has a row, which is rounded up to a whole chunk.
        let buffers: String = ["input", "temp", "temp", "temp", "output"]
            .iter()
            .enumerate()
            .map(|(i, kind)| {
                format!("buffer b{i}: f32 {kind} \"t{i}\" [8,8] strides=[8,1] chunk=64 len=64 @{}\n", 64 * i)
            })
            .collect();
        let mut program: Program =
            format!("program \"p\" (batch=1, arena=320) {{\n{buffers}{kernel} }}").parse().unwrap();
        let lengths = run(&mut program.buffers, &mut program.kernels, &BTreeSet::new());
        assert_eq!(lengths, [128, 32]);
        let offsets: Vec<usize> = program.buffers[1..4].iter().map(|buffer| buffer.offset).collect();
        assert_eq!(offsets, [0, 16, 0]);
    }
}
