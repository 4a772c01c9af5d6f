//! What is read from far away is asked for ahead of time.
//!
//! What a kernel touches of the next chunk of samples is asked for by one of its nests, a share with every tile or
//! every step of a loop (`decide/next_chunk.rs` says which and what).
//!
//! Otherwise every sweep asks for what it touches itself some steps of the outer loop later ([`in_sweep`]): in a
//! kernel without a contraction, which waits for nothing but memory, and where a pool reads a window of several rows
//! at every step, for that hides from the processor what comes next.

use crate::machine::{LINE_WORDS, PAGE_WORDS, ahead};
use crate::write::builder::Builder;
use crate::write::expr::Cx;
use graphc_ir::NodeId;
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, BufId, Expr, LoopKind, Stmt};
use graphc_ir::scalar::LANES;
use std::collections::{BTreeMap, BTreeSet};

/// A step of a sweep that reads more often than that, such as a mean over all pixels of a large image, has no use for
/// hints: where it goes the processor sees long before its end.
const MOST_READS: usize = 1 << 10;

/// Words at the end of a chunk that may be left out so that shares are whole lines: channels are padded by a line
/// each.
const LEFT_OUT_WORDS: usize = 1 << 8;

/// The buffers of tensors, in order.
pub(crate) fn buffers(cx: &Cx<'_>, nodes: &[NodeId]) -> Vec<BufId> {
    let buffers: BTreeSet<BufId> = nodes.iter().map(|&node| cx.buffers.node(node)).collect();
    buffers.into_iter().collect()
}

/// Writes the hints for share `share` of `n_shares` of the chunk after `chunk`.
pub(crate) fn write(cx: &Cx<'_>, b: &mut Builder, buffers: &[BufId], chunk: Var, (share, n_shares): (&Affine, usize)) {
    for &buffer in buffers {
        let chunk_words = cx.buffers.layout(buffer).chunk_stride;
        let left_out = LEFT_OUT_WORDS.min(chunk_words / LINE_WORDS);
        let words = (chunk_words - left_out).div_ceil(n_shares).next_multiple_of(LINE_WORDS);
        let next = Affine::var(chunk).plus_constant(1).times(chunk_words as i64);
        let from = Access { buffer, index: next.add_scaled(share, words as i64) };
        b.push(Stmt::Fetch { from, n_lines: (words / LINE_WORDS).min(ahead::MOST_LINES) });
    }
}

/// Adds hints for the chunk after `chunk` to the loops among `stmts`, the statements of a lanes region: shares of at
/// least a line, as far inside as that goes.
pub(crate) fn next_in_sweep(cx: &Cx<'_>, stmts: &mut Vec<Stmt>, buffers: &[BufId], chunk: Var) {
    share_out(cx, stmts, &mut buffers.to_vec(), chunk, (Affine::default(), 1));
}

/// Shares out what is `left` of the buffers. The statements run for share `share` of `n_shares`.
fn share_out(
    cx: &Cx<'_>,
    stmts: &mut Vec<Stmt>,
    left: &mut Vec<BufId>,
    chunk: Var,
    (share, n_shares): (Affine, usize),
) {
    let loops = stmts.iter_mut().filter_map(|stmt| match stmt {
        Stmt::For { range, kind: LoopKind::Serial, body } => Some((range.var, range.extent()?, body)),
        _ => None,
    });
    if let Some((var, extent, body)) = loops.max_by_key(|(_, extent, _)| *extent) {
        let inner = share.times(extent as i64).plus(&Affine::var(var));
        share_out(cx, body, left, chunk, (inner, n_shares * extent));
    }
    let has_lines = |buffer: &BufId| n_shares == 1 || cx.buffers.layout(*buffer).chunk_stride >= n_shares * LINE_WORDS;
    let mut b = Builder::new();
    let (here, outside) = left.iter().partition::<Vec<BufId>, _>(|buffer| has_lines(buffer));
    write(cx, &mut b, &here, chunk, (&share, n_shares));
    stmts.splice(0..0, b.finish());
    *left = outside;
}

/// Adds the hints to the innermost loops among `stmts`, the statements of a lanes region; `is_alone` if the kernel
/// has no group that asks for the next chunk.
pub(crate) fn in_sweep(cx: &Cx<'_>, stmts: &mut [Stmt], lane: Var, is_alone: bool) {
    within(cx, stmts, (lane, is_alone), &mut Vec::new());
}

/// `around` are the variables of the loops around the statements.
fn within(cx: &Cx<'_>, stmts: &mut [Stmt], (lane, is_alone): (Var, bool), around: &mut Vec<Var>) {
    for stmt in stmts {
        let Stmt::For { range, kind: LoopKind::Serial, body } = stmt else { continue };
        if body.iter().any(|stmt| matches!(stmt, Stmt::For { kind: LoopKind::Serial, .. })) {
            around.push(range.var);
            within(cx, body, (lane, is_alone), around);
            around.pop();
        } else {
            let hints = of_loop(cx, body, (range.var, lane), is_alone, around);
            body.splice(0..0, hints);
        }
    }
}

/// The hints for a loop over `var`, if it needs them: all words of far buffers that it touches some steps of the
/// outer loop later.
fn of_loop(cx: &Cx<'_>, body: &[Stmt], (var, lane): (Var, Var), is_alone: bool, around: &[Var]) -> Vec<Stmt> {
    if n_accesses(body) > MOST_READS {
        return Vec::new();
    }
    let mut touched = Touched::new();
    collect(body, lane, &|var| Affine::var(var), &mut touched);
    // Where an index is loaded, nothing knows it ahead of time.
    let mut loaded = BTreeSet::new();
    collect_loaded(body, &mut loaded);
    let is_known = |index: &Affine| !loaded.iter().any(|&var| index.uses(var));
    touched.retain(|(buffer, index), _| is_far(cx, *buffer) && is_known(index));
    let outer = |index: &Affine| around.iter().rev().map(|&var| index.coefficient(var)).find(|&outer| outer > 0);
    let is_window = |((_, index), offsets): (&(BufId, Affine), &BTreeSet<i64>)| {
        let (step, span) = (index.coefficient(var), offsets.last().zip(offsets.first()).map_or(0, |(a, b)| a - b));
        step > 0 && span + LANES as i64 > step
    };
    let is_seen = |(_, index): &(BufId, Affine)| outer(index).is_none_or(|outer| 2 * outer < PAGE_WORDS);
    let has_windows = touched.iter().any(is_window);
    let has_unseen = touched.iter().any(|(at, offsets)| is_window((at, offsets)) && !is_seen(at));
    if !(has_unseen || is_alone && !has_windows) {
        return Vec::new();
    }
    let mut hints = Vec::new();
    for ((buffer, index), offsets) in &touched {
        let ahead = index.plus_constant(ahead::SWEEP_STEPS * outer(index).unwrap_or(0));
        let lines: BTreeSet<i64> = offsets.iter().map(|offset| offset.div_euclid(LINE_WORDS as i64)).collect();
        for line in lines {
            let index = ahead.plus_constant(line * LINE_WORDS as i64);
            hints.push(Stmt::Fetch { from: Access { buffer: *buffer, index }, n_lines: 1 });
        }
    }
    hints
}

/// What one iteration loads and stores by buffer and index, the constants of the indices apart.
type Touched = BTreeMap<(BufId, Affine), BTreeSet<i64>>;

/// Loads and stores of one iteration.
fn n_accesses(stmts: &[Stmt]) -> usize {
    let of_stmt = |stmt: &Stmt| match stmt {
        Stmt::LoadIndex { .. } | Stmt::Let { expr: Expr::Load(_), .. } | Stmt::Store { .. } => 1,
        Stmt::For { range, body, .. } => n_accesses(body).saturating_mul(range.extent().unwrap_or(0)),
        _ => 0,
    };
    stmts.iter().map(of_stmt).fold(0, usize::saturating_add)
}

/// Collects what a block touches, in the iterations of unrolled loops one by one.
fn collect(stmts: &[Stmt], lane: Var, value: &dyn Fn(Var) -> Affine, touched: &mut Touched) {
    for stmt in stmts {
        match stmt {
            Stmt::LoadIndex { from: at, .. } | Stmt::Let { expr: Expr::Load(at), .. } | Stmt::Store { to: at, .. } => {
                let index = at.index.substitute(&|var| if var == lane { Affine::default() } else { value(var) });
                let offset = index.offset;
                touched.entry((at.buffer, index.plus_constant(-offset))).or_default().insert(offset);
            }
            Stmt::For { range, body, .. } => {
                for i in 0..range.extent().unwrap_or(0) as i64 {
                    let inner = |var: Var| if var == range.var { Affine::constant(i) } else { value(var) };
                    collect(body, lane, &inner, touched);
                }
            }
            _ => {}
        }
    }
}

/// Collects the index variables that a block loads.
fn collect_loaded(stmts: &[Stmt], loaded: &mut BTreeSet<Var>) {
    for stmt in stmts {
        match stmt {
            Stmt::LoadIndex { var, .. } | Stmt::ClampIndex { var, .. } => _ = loaded.insert(*var),
            Stmt::For { body, .. } => collect_loaded(body, loaded),
            _ => {}
        }
    }
}

/// Whether a buffer is too large for a core's own cache.
fn is_far(cx: &Cx<'_>, buffer: BufId) -> bool {
    cx.buffers.layout(buffer).len() > cx.machine.far_words()
}
