//! Gives every buffer its place in the arena.
//!
//! State comes first, then inputs and outputs: they keep their words. Temporaries share the rest: two of
//! them may overlap if no phase lies within the lives of both. A phase is a top-level statement of a
//! kernel; chunks of one phase may run in any order, so all its buffers live through the whole of it.

use graphc_ir::loops::{BufId, Buffer, BufferKind, Expr, Kernel, Stmt, TileInit};
use graphc_ir::scalar::CHUNK;

/// Sets the offsets of all buffers; gives the length of the arena in words.
pub(crate) fn run(buffers: &mut [Buffer], kernels: &[Kernel]) -> usize {
    let lives = lives(buffers.len(), kernels);
    let mut end = 0;
    for kind in [BufferKind::State, BufferKind::Input, BufferKind::Output] {
        for buffer in buffers.iter_mut().filter(|buffer| buffer.kind == kind) {
            buffer.offset = end;
            end += buffer.len;
        }
    }
    // Large buffers first, each at the lowest place that is free through its life.
    let mut temps: Vec<usize> = (0..buffers.len()).filter(|&i| buffers[i].kind == BufferKind::Temp).collect();
    temps.sort_by_key(|&i| (std::cmp::Reverse(buffers[i].len), i));
    let mut placed: Vec<usize> = Vec::new();
    let base = end;
    for &i in &temps {
        let mut busy: Vec<(usize, usize)> = placed
            .iter()
            .filter(|&&other| overlap(lives[i], lives[other]))
            .map(|&other| (buffers[other].offset, buffers[other].offset + buffers[other].len))
            .collect();
        busy.sort_unstable();
        let mut offset = base;
        for (from, to) in busy {
            if offset + buffers[i].len <= from {
                break;
            }
            offset = offset.max(to);
        }
        buffers[i].offset = offset.next_multiple_of(CHUNK);
        end = end.max(buffers[i].offset + buffers[i].len);
        placed.push(i);
    }
    end
}

/// First and last phase that touches each buffer; none if nothing does.
type Life = Option<(usize, usize)>;

fn overlap(a: Life, b: Life) -> bool {
    match (a, b) {
        (Some((a_first, a_last)), Some((b_first, b_last))) => a_first <= b_last && b_first <= a_last,
        _ => false,
    }
}

fn lives(n_buffers: usize, kernels: &[Kernel]) -> Vec<Life> {
    let mut lives = vec![None; n_buffers];
    for (phase, stmt) in kernels.iter().flat_map(|kernel| &kernel.body).enumerate() {
        for_each_buffer(stmt, &mut |buffer| {
            let life: &mut Life = &mut lives[buffer.0 as usize];
            *life = Some((life.map_or(phase, |(first, _)| first), phase));
        });
    }
    lives
}

fn for_each_buffer(stmt: &Stmt, f: &mut impl FnMut(BufId)) {
    match stmt {
        Stmt::Nest { body, .. } | Stmt::For { body, .. } | Stmt::Lanes { body, .. } => {
            body.iter().for_each(|stmt| for_each_buffer(stmt, f));
        }
        Stmt::Let { expr: Expr::Load(from), .. } => f(from.buffer),
        Stmt::Store { to, .. } => f(to.buffer),
        Stmt::Tile(tile) => {
            f(tile.a.buffer);
            f(tile.b.buffer);
            if let TileInit::Load(from) = &tile.init {
                f(from.buffer);
            }
            tile.epilogue.iter().for_each(|stmt| for_each_buffer(stmt, f));
        }
        Stmt::Let { .. } | Stmt::LetIndex { .. } | Stmt::Set { .. } => {}
    }
}
