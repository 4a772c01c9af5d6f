//! Joins the partial results of a batch reduction in a fixed order.
//!
//! Chunks are gathered into at most 8 groups of consecutive chunks. Within a group they are joined in
//! order; groups by a balanced tree. Means and squared deviations are joined by the formula of Chan,
//! Golub and LeVeque (1979), which never subtracts large numbers.

use crate::decide::groups::Groups;
use crate::decide::sweep::plan::terms_per_sample;
use crate::memory::buffers::Partial;
use crate::write::builder::{Builder, bounded};
use crate::write::expr::Cx;
use graphc_ir::NodeId;
use graphc_ir::compute::Combine;
use graphc_ir::form::Form;
use graphc_ir::graph::plan::{FusionPlan, Root};
use graphc_ir::index::Affine;
use graphc_ir::loops::{AccId, Access, Expr, Join, LoopKind, ValueId};
use graphc_ir::scalar::{CHUNK, CmpOp};

/// The joined value of `node` at element `word` of its result.
pub(crate) fn joined(cx: &Cx<'_>, b: &mut Builder, node: NodeId, word: &Affine) -> ValueId {
    match &cx.forms[&node] {
        Form::Variance { axes } => variance(cx, b, node, axes, word),
        form => {
            let point = form.as_point().expect("a batch reduction is a point form or a variance");
            let join = match point.combine {
                Some(Combine::Max) => Join::Max,
                Some(Combine::Sum) => Join::Add,
                other @ (Some(Combine::ArgMax(_)) | None) => unreachable!("{other:?} does not reduce the batch"),
            };
            let partial = cx.buffers.partial(Root::Partial(node));
            // A contraction's parts are groups already.
            let groups = match form.as_contraction() {
                Some(_) => Groups { n_groups: partial.n_parts, chunks_per_group: 1, accumulators_wait: false },
                None => Groups::of_parts(partial.n_parts),
            };
            let sums = (0..groups.n_groups).map(|group| group_sum(b, partial, word, groups, group, join)).collect();
            tree(sums, &mut |x, y| b.combine(join, x, y))
        }
    }
}

/// Element `word` of part `part`.
fn part(b: &mut Builder, partial: Partial, word: &Affine, part: &Affine) -> ValueId {
    let index = word.add_scaled(part, partial.part_len as i64);
    b.load(Access { buffer: partial.buffer, index })
}

/// Chunks of one group, in order.
fn group_sum(b: &mut Builder, partial: Partial, word: &Affine, groups: Groups, group: usize, join: Join) -> ValueId {
    let (first, last) = group_chunks(groups, partial.n_parts, group);
    let sum = part(b, partial, word, &Affine::constant(first as i64));
    if last - first == 1 {
        return sum;
    }
    let acc = b.acc(sum);
    let var = b.var();
    b.for_range(bounded(var, last - first - 1, Vec::new(), Vec::new()), LoopKind::Serial, |b| {
        let next = part(b, partial, word, &Affine::var(var).plus_constant(first as i64 + 1));
        let before = b.get(acc);
        let sum = b.combine(join, before, next);
        b.set(acc, sum);
    });
    b.get(acc)
}

/// First chunk of a group and the one behind its last.
fn group_chunks(groups: Groups, n_chunks: usize, group: usize) -> (usize, usize) {
    let first = group * groups.chunks_per_group;
    (first, (first + groups.chunks_per_group).min(n_chunks))
}

/// Joins in pairs: the first half of the list with the second, each joined in the same way.
fn tree<T: Clone>(mut list: Vec<T>, join: &mut impl FnMut(T, T) -> T) -> T {
    while list.len() > 1 {
        list = list
            .chunks(2)
            .map(|pair| match pair {
                [x, y] => join(x.clone(), y.clone()),
                one => one[0].clone(),
            })
            .collect();
    }
    list.pop().expect("at least one part")
}

/// Count, mean and sum of squared deviations of some chunks.
#[derive(Clone, Copy)]
struct Moments {
    count: ValueId,
    mean: ValueId,
    deviations: ValueId,
}

fn variance(cx: &Cx<'_>, b: &mut Builder, node: NodeId, axes: &[usize], word: &Affine) -> ValueId {
    let source = FusionPlan::sum_source(cx.graph, cx.forms, &cx.plan.stored, node, axes);
    let (sums, deviations) = (cx.buffers.partial(source), cx.buffers.partial(Root::PartialDeviations(node)));
    let per_sample = terms_per_sample(cx.graph, cx.forms, node);
    let groups = Groups::new(sums.n_parts, 0);
    let of_chunk = |b: &mut Builder, chunk: &Affine| {
        let sum = part(b, sums, word, chunk);
        let count = chunk_count(cx, b, chunk, per_sample);
        Moments { count, mean: b.div(sum, count), deviations: part(b, deviations, word, chunk) }
    };
    let mut list = Vec::new();
    for group in 0..groups.n_groups {
        let (first, last) = group_chunks(groups, sums.n_parts, group);
        let moments = of_chunk(b, &Affine::constant(first as i64));
        if last - first == 1 {
            list.push(moments);
            continue;
        }
        let accs = [moments.count, moments.mean, moments.deviations].map(|value| b.acc(value));
        let var = b.var();
        b.for_range(bounded(var, last - first - 1, Vec::new(), Vec::new()), LoopKind::Serial, |b| {
            let next = of_chunk(b, &Affine::var(var).plus_constant(first as i64 + 1));
            let [count, mean, deviations] = accs.map(|acc| b.get(acc));
            let joined = chan(b, Moments { count, mean, deviations }, next);
            b.set(accs[0], joined.count);
            b.set(accs[1], joined.mean);
            b.set(accs[2], joined.deviations);
        });
        let [count, mean, deviations] = accs.map(|acc| b.get(acc));
        list.push(Moments { count, mean, deviations });
    }
    let all = tree(list, &mut |x, y| chan(b, x, y));
    let total = b.f32((cx.batch() * per_sample) as f32);
    debug_assert!(cx.batch() <= cx.n_chunks() * CHUNK);
    b.div(all.deviations, total)
}

/// Moments of the union: with `d = mean_y - mean_x` and `r = count_y / count`,
/// `mean = mean_x + d r` and `deviations = deviations_x + deviations_y + d^2 count_x r`.
fn chan(b: &mut Builder, x: Moments, y: Moments) -> Moments {
    let count = b.add(x.count, y.count);
    let ratio = b.div(y.count, count);
    let delta = b.sub(y.mean, x.mean);
    let mean = b.fma(delta, ratio, x.mean);
    let deviations = b.add(x.deviations, y.deviations);
    let weight = b.mul(x.count, ratio);
    let square = b.mul(delta, delta);
    Moments { count, mean, deviations: b.fma(square, weight, deviations) }
}

/// The accumulators of one partial result in one value: as many for each loop as it has copies, those of the innermost
/// loop joined first.
pub(crate) fn copies(b: &mut Builder, join: Join, accs: &[AccId], n_copies: &[usize]) -> ValueId {
    let Some((&n_copies, inner)) = n_copies.split_first() else { return b.get(accs[0]) };
    let parts: Vec<ValueId> = accs.chunks(accs.len() / n_copies).map(|accs| copies(b, join, accs, inner)).collect();
    parts.into_iter().reduce(|x, y| b.combine(join, x, y)).expect("at least one copy")
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
