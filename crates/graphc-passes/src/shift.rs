//! Rules of `simplify`: batch statistics do not see a shift that is the same for every sample.
//!
//! A bias in front of a batch-statistics normalisation has gradient zero: the mean moves with the
//! bias, the variance does not, so the normalised value does not depend on the bias at all. The
//! rules rewrite the forward graph to say so, and autodiff, which runs later, gives the bias the
//! constant gradient 0. (Proving the same of the finished gradient would need a symbolic sum, and its
//! terms cancel only up to rounding: a framework in `f32` trains on that noise.) Moving means keep
//! the bias. The same goes for the `beta` of a normalisation that reaches the next one through an
//! unpadded convolution alone.
//!
//! All that is so of finite shifts. An infinite or NaN one makes the normalised value NaN, so the variance keeps
//! `zero_if_finite` of it.

use crate::rewrite::{is_constant, is_read_only_by};
use graphc_ir::graph::{Graph, NodeId, OpCx};
use graphc_ir::ops::{Constant, Op, ZeroIfFinite};
use graphc_ir::types::{Dim, Shape};

// mean(x + b) => mean(x) + b if b is constant along the reduced axes
pub(crate) fn mean_of_shifted(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let Op::ReduceMean(op) = cx.graph.op(cx.node).clone() else { return None };
    let Shifted { x, shift } = shifted(cx, cx.operands[0], &op.axes)?;
    let shape = reduced_shape(&cx.ty(shift).shape, cx.ty(x).rank(), &op.axes, op.keep_dims);
    let mean = cx.add(op, &[x]);
    let shift = cx.reshaped(shift, &shape);
    Some(cx.plus(mean, shift))
}

// variance(x + b) => variance(x) + zero_if_finite(b) if b is constant along the reduced axes
pub(crate) fn variance_of_shifted(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let Op::ReduceVariance(op) = cx.graph.op(cx.node).clone() else { return None };
    let Shifted { x, shift } = shifted(cx, cx.operands[0], &op.axes)?;
    let shape = reduced_shape(&cx.ty(shift).shape, cx.ty(x).rank(), &op.axes, op.keep_dims);
    let variance = cx.add(op, &[x]);
    let trace = cx.add(ZeroIfFinite {}, &[shift]);
    let trace = cx.reshaped(trace, &shape);
    Some(cx.plus(variance, trace))
}

// normalize(x + b, m + b, v, gamma, beta) => normalize(x, m, v, gamma, beta) if v has the trace of b
pub(crate) fn normalize_of_shifted(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let Op::Normalize(op) = cx.graph.op(cx.node).clone() else { return None };
    let mean = cx.operands[1];
    matches!(cx.graph.op(mean), Op::Add(_)).then_some(())?;
    let mean_parts = cx.graph.operands(mean);
    let axes = all_but_last(cx.ty(cx.operands[0]).rank());
    let Shifted { x, shift } = shifted(cx, cx.operands[0], &axes)?;
    let slot = mean_parts.iter().position(|&part| part == shift)?;
    let unshifted = mean_parts[1 - slot];
    (cx.ty(unshifted) == cx.ty(mean) && has_trace(cx.graph, cx.operands[2], shift)).then_some(())?;
    let mut operands = cx.operands.clone();
    (operands[0], operands[1]) = (x, unshifted);
    Some(cx.add(op, &operands))
}

// conv2d(normalize(x, …, beta), w) => conv2d(normalize(x, …, 0), w) + sum(w * beta) without padding and groups
pub(crate) fn shift_through_conv(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let Op::Conv2d(conv) = cx.graph.op(cx.node).clone() else { return None };
    let [images, kernel] = [cx.operands[0], cx.operands[1]];
    let Op::Normalize(normalize) = cx.graph.op(images).clone() else { return None };
    let mut operands = cx.graph.operands(images);
    let beta = operands[4];
    let is_gain = conv.padding == [0; 4]
        && conv.groups == 1
        && !is_constant(cx.graph, beta, 0.0)
        && is_read_only_by(cx.graph, images, cx.node)
        && is_batch_normalised(cx.graph, cx.node);
    is_gain.then_some(())?;
    let shape = cx.ty(beta).shape;
    let Dim::Fixed(c) = shape.0[0] else { return None };
    // What is added to minus zero stays as it is.
    operands[4] = cx.add(Constant { value: -0.0, shape }, &[]);
    let (name, origin) = (cx.graph.node(images).name.clone(), cx.graph.node(images).origin.clone());
    let images = cx.graph.add(normalize, &operands, &name, origin).ok()?;
    let name = cx.graph.node(cx.node).name.clone();
    let unshifted = cx.add_named(conv, &[images, kernel], &name);
    let beta = cx.reshaped(beta, &Shape::fixed(&[c, 1]));
    let weighted = cx.times(kernel, beta);
    let shift = cx.sum(weighted, &[0, 1, 2], false);
    Some(cx.plus(unshifted, shift))
}

/// Whether a value is `zero_if_finite(shift)`, perhaps reshaped, or a sum with that among its terms.
fn has_trace(graph: &Graph, id: NodeId, shift: NodeId) -> bool {
    match graph.op(id) {
        Op::ZeroIfFinite(_) => *graph.operands(id) == [shift],
        Op::Reshape(_) | Op::Broadcast(_) | Op::Add(_) => {
            graph.operands(id).into_iter().any(|operand| has_trace(graph, operand, shift))
        }
        _ => false,
    }
}

/// Whether everything that reads a value is a normalisation by its own statistics, or those.
fn is_batch_normalised(graph: &Graph, id: NodeId) -> bool {
    let is_mean = |mean: NodeId| matches!(graph.op(mean), Op::ReduceMean(_)) && *graph.operands(mean) == [id];
    let by_own_mean = |&user: &NodeId| !matches!(graph.op(user), Op::Normalize(_)) || is_mean(graph.operands(user)[1]);
    let users = graph.users(id);
    is_only_normalised(graph, id) && users.iter().any(|&user| is_mean(user)) && users.iter().all(by_own_mean)
}

/// `x + shift` with `shift` constant along some axes.
struct Shifted {
    x: NodeId,
    shift: NodeId,
}

/// Takes `sum = x + shift` apart if only statistics and normalisations read it: where something
/// else needs the sum, it has to be computed anyway and there is nothing to gain.
fn shifted(cx: &OpCx<'_>, sum: NodeId, axes: &[usize]) -> Option<Shifted> {
    let graph: &Graph = cx.graph;
    let is_gain = matches!(graph.op(sum), Op::Add(_)) && is_only_normalised(graph, sum);
    is_gain.then_some(())?;
    let operands = graph.operands(sum);
    let split = [(operands[0], operands[1]), (operands[1], operands[0])];
    let fits = |&(x, shift): &(NodeId, NodeId)| {
        graph.ty(x) == graph.ty(sum) && is_constant_along(&graph.ty(shift).shape, graph.ty(x).rank(), axes)
    };
    split.into_iter().find(fits).map(|(x, shift)| Shifted { x, shift })
}

/// Whether only means, variances and normalisations (of it, not by it) read a value.
fn is_only_normalised(graph: &Graph, id: NodeId) -> bool {
    let is_statistics = |&user: &NodeId| match graph.op(user) {
        Op::ReduceMean(_) | Op::ReduceVariance(_) => true,
        Op::Normalize(_) => graph.operands(user)[1..].iter().all(|&operand| operand != id),
        _ => false,
    };
    !graph.is_root(id) && graph.users(id).iter().all(is_statistics)
}

/// Whether a tensor broadcast to `rank` dimensions repeats along `axes`.
pub(crate) fn is_constant_along(shape: &Shape, rank: usize, axes: &[usize]) -> bool {
    let skipped = rank - shape.rank();
    axes.iter().all(|&axis| axis < skipped || shape.0[axis - skipped] == Dim::Fixed(1))
}

/// Shape of a tensor that repeats along `axes` of `rank` dimensions once those are reduced.
pub(crate) fn reduced_shape(shape: &Shape, rank: usize, axes: &[usize], keep_dims: bool) -> Shape {
    let skipped = rank - shape.rank();
    let kept = (skipped..rank).filter(|axis| keep_dims || !axes.contains(axis));
    Shape(kept.map(|axis| shape.0[axis - skipped]).collect())
}

fn all_but_last(rank: usize) -> Vec<usize> {
    (0..rank.saturating_sub(1)).collect()
}
