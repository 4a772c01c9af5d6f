//! Joins partial results in a fixed order: those of chunks, and those of one chunk's accumulators.
//!
//! The parts of the chunks of a group are joined in order, groups by a balanced tree. Means and squared deviations
//! are joined by the formula of Chan, Golub and LeVeque (1979), which never subtracts large numbers.

use crate::decide::summation::Groups;
use crate::decide::sweep::plan::mean_source;
use crate::memory::buffers::Partial;
use crate::write::builder::Builder;
use crate::write::expr::Cx;
use crate::write::tree::{self, JoinTwo, Leaf};
use graphc_ir::NodeId;
use graphc_ir::compute::Combine;
use graphc_ir::form::Form;
use graphc_ir::graph::plan::Root;
use graphc_ir::index::Affine;
use graphc_ir::loops::{AccId, Access, Expr, Join, ValueId};
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
    let of_part = |b: &mut Builder, part: &Affine| [load(b, partial, word, part)];
    let join: &JoinTwo<'_, 1> = &|b, [x], [y]| [b.combine(join, x, y)];
    let [value] = match form.as_contraction() {
        // Its parts are groups already.
        Some(_) => tree::balanced(b, partial.n_parts, &of_part, join),
        None => of_chunks(b, partial.n_parts, &of_part, join),
    };
    value
}

/// What chunks have left, joined.
fn of_chunks<const N: usize>(
    b: &mut Builder,
    n_chunks: usize,
    of_chunk: &Leaf<'_, N>,
    join: &JoinTwo<'_, N>,
) -> [ValueId; N] {
    let Groups { n_groups, chunks_per_group } = Groups::of(n_chunks);
    let of_group = |b: &mut Builder, group: &Affine| {
        let first = group.times(chunks_per_group as i64);
        tree::chain(b, (&first, chunks_per_group, n_chunks), of_chunk, join)
    };
    tree::balanced(b, n_groups, &of_group, join)
}

/// Element `word` of part `part`.
fn load(b: &mut Builder, partial: Partial, word: &Affine, part: &Affine) -> ValueId {
    let index = word.add_scaled(part, partial.part_len as i64);
    b.load(Access { buffer: partial.buffer, index })
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
    let [_, _, deviations] = of_chunks(b, sums.n_parts, &moments, &chan);
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
