//! Joins partial results in a fixed order: those of chunks, and those of one chunk's accumulators.
//!
//! Chunks are gathered into groups of consecutive chunks: at most 8, of a variance 32. Within a group they are joined
//! in order; groups by a balanced tree. Means and squared deviations are joined by the formula of Chan, Golub and
//! LeVeque (1979), which never subtracts large numbers.

use crate::decide::summation::Groups;
use crate::decide::sweep::plan::mean_source;
use crate::memory::buffers::Partial;
use crate::write::builder::{Builder, bounded};
use crate::write::expr::Cx;
use graphc_ir::NodeId;
use graphc_ir::compute::Combine;
use graphc_ir::form::Form;
use graphc_ir::graph::plan::Root;
use graphc_ir::index::Affine;
use graphc_ir::loops::{AccId, Access, Expr, Join, LoopKind, ValueId};
use graphc_ir::scalar::{CHUNK, CmpOp};

/// The joined value of `node` at element `word` of its result.
pub(crate) fn joined(cx: &Cx<'_>, b: &mut Builder, node: NodeId, word: &Affine) -> ValueId {
    let form = match &cx.forms[&node] {
        Form::Variance { axes } => return variance(cx, b, node, axes, word),
        form => form.as_point().expect("a batch reduction is a point form or a variance"),
    };
    let join = match form.combine {
        Some(Combine::Max) => Join::Max,
        Some(Combine::Sum) => Join::Add,
        other @ (Some(Combine::ArgMax(_)) | None) => unreachable!("{other:?} does not reduce the batch"),
    };
    let partial = cx.buffers.partial(Root::Partial(node));
    // A contraction's parts are groups already.
    let groups = match form.as_contraction() {
        Some(_) => Groups { n_groups: partial.n_parts, chunks_per_group: 1 },
        None => Groups::of_parts(partial.n_parts),
    };
    let of_part = |b: &mut Builder, part: &Affine| [load(b, partial, word, part)];
    let [value] = parts(b, groups, partial.n_parts, &of_part, &|b, [x], [y]| [b.combine(join, x, y)]);
    value
}

/// Element `word` of part `part`.
fn load(b: &mut Builder, partial: Partial, word: &Affine, part: &Affine) -> ValueId {
    let index = word.add_scaled(part, partial.part_len as i64);
    b.load(Access { buffer: partial.buffer, index })
}

/// Joins two of what every part has `N` values of.
type JoinTwo<'a, const N: usize> = dyn Fn(&mut Builder, [ValueId; N], [ValueId; N]) -> [ValueId; N] + 'a;

/// All parts joined: in order within a group, groups in pairs.
fn parts<const N: usize>(
    b: &mut Builder,
    groups: Groups,
    n_parts: usize,
    of_part: &dyn Fn(&mut Builder, &Affine) -> [ValueId; N],
    join: &JoinTwo<'_, N>,
) -> [ValueId; N] {
    let mut list: Vec<[ValueId; N]> = Vec::new();
    for group in 0..groups.n_groups {
        let first = group * groups.chunks_per_group;
        let n_others = groups.chunks_per_group.min(n_parts - first) - 1;
        let value = of_part(b, &Affine::constant(first as i64));
        if n_others == 0 {
            list.push(value);
            continue;
        }
        let accs = value.map(|value| b.acc(value));
        let var = b.var();
        b.for_range(bounded(var, n_others, Vec::new(), Vec::new()), LoopKind::Serial, |b| {
            let next = of_part(b, &Affine::var(var).plus_constant(first as i64 + 1));
            let before = accs.map(|acc| b.get(acc));
            let after = join(b, before, next);
            accs.into_iter().zip(after).for_each(|(acc, value)| b.set(acc, value));
        });
        list.push(accs.map(|acc| b.get(acc)));
    }
    tree(b, list, join)
}

/// Joins neighbours in pairs, then the pairs, until one is left.
fn tree<const N: usize>(b: &mut Builder, mut list: Vec<[ValueId; N]>, join: &JoinTwo<'_, N>) -> [ValueId; N] {
    while list.len() > 1 {
        let pair = |pair: &[[ValueId; N]]| match *pair {
            [x, y] => join(b, x, y),
            _ => pair[0],
        };
        list = list.chunks(2).map(pair).collect();
    }
    list.pop().expect("at least one part")
}

fn variance(cx: &Cx<'_>, b: &mut Builder, node: NodeId, axes: &[usize], word: &Affine) -> ValueId {
    let (sums, per_sample) = mean_source(cx.graph, cx.forms, &cx.plan.stored, node, axes);
    let (sums, deviations) = (cx.buffers.partial(sums), cx.buffers.partial(Root::PartialDeviations(node)));
    let moments = |b: &mut Builder, chunk: &Affine| {
        let sum = load(b, sums, word, chunk);
        let count = chunk_count(cx, b, chunk, per_sample);
        let mean = b.div(sum, count);
        [count, mean, load(b, deviations, word, chunk)]
    };
    let [_, _, deviations] = parts(b, Groups::new(sums.n_parts, 0), sums.n_parts, &moments, &chan);
    let total = b.f32((cx.batch() * per_sample) as f32);
    b.div(deviations, total)
}

/// Count, mean and sum of squared deviations of a union: with `d = mean_y - mean_x` and `r = count_y / count`,
/// `mean = mean_x + d r` and `deviations = deviations_x + deviations_y + d^2 count_x r`.
fn chan(b: &mut Builder, x: [ValueId; 3], y: [ValueId; 3]) -> [ValueId; 3] {
    let ([count_x, mean_x, deviations_x], [count_y, mean_y, deviations_y]) = (x, y);
    let count = b.add(count_x, count_y);
    let ratio = b.div(count_y, count);
    let delta = b.sub(mean_y, mean_x);
    let mean = b.fma(delta, ratio, mean_x);
    let deviations = b.add(deviations_x, deviations_y);
    let weight = b.mul(count_x, ratio);
    let square = b.mul(delta, delta);
    [count, mean, b.fma(square, weight, deviations)]
}

/// Number of terms of chunk `chunk` as `f32`; the last chunk may be short.
pub(crate) fn chunk_count(cx: &Cx<'_>, b: &mut Builder, chunk: &Affine, per_sample: usize) -> ValueId {
    let full = b.f32((per_sample * CHUNK) as f32);
    let last_samples = cx.batch() - (cx.n_chunks() - 1) * CHUNK;
    if last_samples == CHUNK {
        return full;
    }
    let last = b.f32((per_sample * last_samples) as f32);
    if cx.n_chunks() == 1 {
        return last;
    }
    let chunk = b.value(Expr::Index(chunk.clone()));
    let last_chunk = b.i32(cx.n_chunks() as i32 - 1);
    b.select(CmpOp::Eq, [chunk, last_chunk], last, full)
}

/// The accumulators of one partial result in one value: as many for each loop as it has copies, those of the
/// innermost loop joined first.
pub(crate) fn copies(b: &mut Builder, join: Join, accs: &[AccId], n_copies: &[usize]) -> ValueId {
    let Some((&n_copies, inner)) = n_copies.split_first() else { return b.get(accs[0]) };
    let values: Vec<ValueId> = accs.chunks(accs.len() / n_copies).map(|accs| copies(b, join, accs, inner)).collect();
    values.into_iter().reduce(|x, y| b.combine(join, x, y)).expect("at least one copy")
}
