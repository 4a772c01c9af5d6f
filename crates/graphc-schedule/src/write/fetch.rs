//! What is read from far away is asked for ahead of time.
//!
//! In a large batch, what a kernel reads and writes of a chunk of samples is in memory. Contractions leave memory idle
//! meanwhile, and sweeps then wait for it. So the largest contraction of a kernel asks, between its register tiles, for
//! what the kernel will touch of the next chunk, a few lines at a time ([`NextChunk`]).
//!
//! Of a kernel without a contraction the longest sweep does that, as long as the next chunk is small beside the cache.
//! Otherwise every sweep asks for what it touches itself some steps of the outer loop later ([`in_sweep`]): in a kernel
//! without a contraction, which waits for nothing but memory, and where a pool reads a window of several rows at every
//! step, for that hides from the processor what comes next.

use crate::write::builder::Builder;
use crate::write::expr::Cx;
use graphc_ir::graph::plan::{Group, GroupKind, Root};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{Access, BufId, Expr, LoopKind, Stmt};
use graphc_ir::point::PointDag;
use graphc_ir::scalar::LANES;
use graphc_ir::{NodeId, ops::Op};
use std::collections::{BTreeMap, BTreeSet};

/// Words of a buffer that is far away even if nothing else is used: a core's own cache of 1 MiB.
const FAR_WORDS: usize = 1 << 18;

/// Words of a chunk that are few beside a core's own cache of 1 MiB.
const SMALL_CHUNK_WORDS: usize = 1 << 15;

/// Words of a page, in which the processor sees by itself what comes next.
const PAGE_WORDS: i64 = 1 << 10;

/// Steps of the outer loop that a sweep looks ahead.
const STEPS_AHEAD: i64 = 6;

/// A step of a sweep that reads more often than that, such as a mean over all pixels of a large image, has no use for
/// hints: where it goes the processor sees long before its end.
const MOST_READS: usize = 1 << 10;

/// Lines that one tile asks for at most.
const MOST_LINES: usize = 64;

/// Words at the end of a chunk that may be left out so that shares are whole lines: channels are padded by a line each.
const LEFT_OUT_WORDS: usize = 1 << 8;

/// Words of a cache line.
const LINE_WORDS: usize = 16;

/// Far buffers that a kernel reads or writes chunk by chunk, and the group that asks for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct NextChunk<'a> {
    carrier: Option<&'a Group>,
    buffers: Vec<BufId>,
}

impl<'a> NextChunk<'a> {
    /// For the groups that a kernel computes chunk by chunk.
    pub(crate) fn of(cx: &Cx<'_>, groups: &[&'a Group]) -> NextChunk<'a> {
        let read = groups.iter().flat_map(|group| nodes(group)).flat_map(|node| cx.graph.operands(node));
        let written = groups.iter().flat_map(|group| &group.roots).map(|root| root.node());
        let is_far = |node: &NodeId| {
            let is_kept = cx.plan.stored.contains(node) || matches!(cx.graph.op(*node), Op::Input(_));
            let has_samples = cx.graph.ty(*node).shape.batch_axis().is_some();
            is_kept && has_samples && is_far(cx, cx.buffers.node(*node))
        };
        let buffers: BTreeSet<BufId> = read.chain(written).filter(is_far).map(|node| cx.buffers.node(node)).collect();
        let words: usize = buffers.iter().map(|&buffer| cx.buffers.layout(buffer).chunk_stride).sum();
        // The last of the largest: what it asks for is wanted soon.
        let of_kind = |kind: GroupKind| groups.iter().copied().filter(move |group| group.kind == kind);
        let contraction = of_kind(GroupKind::Contraction).max_by_key(|group| multiply_adds(cx, group));
        let sweep = of_kind(GroupKind::Sweep).max_by_key(|group| operations(cx, group));
        let carrier = contraction.or(sweep.filter(|_| words <= SMALL_CHUNK_WORDS));
        NextChunk { carrier, buffers: buffers.into_iter().collect() }
    }

    /// Whether a group asks for the next chunk.
    pub(crate) fn has_carrier(&self) -> bool {
        self.carrier.is_some()
    }

    /// The buffers that this group has to ask for.
    pub(crate) fn carried_by(&self, group: &Group) -> &[BufId] {
        match self.carrier {
            Some(carrier) if std::ptr::eq(carrier, group) => &self.buffers,
            _ => &[],
        }
    }
}

/// Writes the hints for share `share` of `n_shares` of the chunk after `chunk`.
pub(crate) fn write(cx: &Cx<'_>, b: &mut Builder, buffers: &[BufId], chunk: Var, (share, n_shares): (&Affine, usize)) {
    for &buffer in buffers {
        let chunk_words = cx.buffers.layout(buffer).chunk_stride;
        let left_out = LEFT_OUT_WORDS.min(chunk_words / LINE_WORDS);
        let words = (chunk_words - left_out).div_ceil(n_shares).next_multiple_of(LINE_WORDS);
        let next = Affine::var(chunk).plus_constant(1).times(chunk_words as i64);
        let from = Access { buffer, index: next.add_scaled(share, words as i64) };
        b.push(Stmt::Fetch { from, n_lines: (words / LINE_WORDS).min(MOST_LINES) });
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

/// Adds the hints to the innermost loops among `stmts`, the statements of a lanes region; `is_alone` if the kernel has
/// no group that asks for the next chunk.
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

/// The hints for a loop over `var`, if it needs them: all words of far buffers that it touches some steps of the outer
/// loop later.
fn of_loop(cx: &Cx<'_>, body: &[Stmt], (var, lane): (Var, Var), is_alone: bool, around: &[Var]) -> Vec<Stmt> {
    if n_accesses(body) > MOST_READS {
        return Vec::new();
    }
    let mut touched = Touched::new();
    collect(body, lane, &|var| Affine::var(var), &mut touched);
    touched.retain(|(buffer, _), _| is_far(cx, *buffer));
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
        let ahead = index.plus_constant(STEPS_AHEAD * outer(index).unwrap_or(0));
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
        Stmt::Let { expr: Expr::Load(_), .. } | Stmt::Store { .. } => 1,
        Stmt::For { range, body, .. } => n_accesses(body).saturating_mul(range.extent().unwrap_or(0)),
        _ => 0,
    };
    stmts.iter().map(of_stmt).fold(0, usize::saturating_add)
}

/// Collects what a block touches, in the iterations of unrolled loops one by one.
fn collect(stmts: &[Stmt], lane: Var, value: &dyn Fn(Var) -> Affine, touched: &mut Touched) {
    for stmt in stmts {
        match stmt {
            Stmt::Let { expr: Expr::Load(at), .. } | Stmt::Store { to: at, .. } => {
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

/// Whether a buffer is too large for a core's own cache.
fn is_far(cx: &Cx<'_>, buffer: BufId) -> bool {
    cx.buffers.layout(buffer).len() > FAR_WORDS
}

fn nodes(group: &Group) -> impl Iterator<Item = NodeId> {
    group.inlined.iter().copied().chain(group.roots.iter().map(|root: &Root| root.node()))
}

fn multiply_adds(cx: &Cx<'_>, group: &Group) -> usize {
    let form = cx.forms[&group.contraction(cx.forms)].as_point().expect("a contraction is a point form");
    form.extents.iter().copied().chain(form.reds.iter().map(|red| red.extent)).product()
}

/// Operations of a sweep, roughly.
fn operations(cx: &Cx<'_>, group: &Group) -> usize {
    let extents = PointDag::space(cx.graph, cx.forms, group.roots[0]).extents;
    extents.iter().product::<usize>() * (group.inlined.len() + group.roots.len())
}
