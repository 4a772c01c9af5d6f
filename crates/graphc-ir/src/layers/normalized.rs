//! What layers share that bring the numbers of each sample to one scale.

use super::context::LayerCx;
use crate::graph::NodeId;
use crate::graph::builder::{BuildError, BuildResult};
use crate::ops::{Add, Constant, Initializer, Mul, Op, ReduceMean, ReduceVariance, Reshape, Rsqrt, Sub};
use crate::types::{Dim, Shape, TypeError};

/// An op on what was computed before it and perhaps on another operand; what it is called unless it is the last one.
pub(super) type Step = (&'static str, Op, Option<NodeId>);

/// Steps one after another, the first on `value`; the last is the layer's result.
pub(super) fn chain(cx: &mut LayerCx<'_>, value: NodeId, steps: Vec<Step>) -> BuildResult {
    let (mut value, n_parts) = (value, steps.len() - 1);
    for (i, (part, op, other)) in steps.into_iter().enumerate() {
        let operands: Vec<NodeId> = [value].into_iter().chain(other).collect();
        value = if i < n_parts { cx.part(part, op, &operands)? } else { cx.add(op, &operands)? };
    }
    Ok(value)
}

/// The dimensions of `x` that a layer takes together, the last unless it says so: ascending, without the batch.
pub(super) fn axes_of(
    cx: &LayerCx<'_>,
    layer: &str,
    x: NodeId,
    given: Option<&[usize]>,
) -> Result<Vec<usize>, BuildError> {
    let shape = cx.ty(x).shape;
    let Some(axes) = given else {
        return match shape.0.last() {
            Some(Dim::Fixed(_)) => Ok(vec![shape.rank() - 1]),
            _ => cx.fail(TypeError::operand(0, format!("{layer} expects shape [N,…,c], got {shape}"))),
        };
    };
    let is_fixed = |&axis: &usize| matches!(shape.0.get(axis), Some(Dim::Fixed(_)));
    if axes.is_empty() || !axes.is_sorted_by(|a, b| a < b) || !axes.iter().all(is_fixed) {
        let message = format!("{layer} expects `axes` of {shape} without the batch, ascending, got {axes:?}");
        return cx.fail(TypeError::new(message));
    }
    Ok(axes.to_vec())
}

/// `1 / sqrt(mean_square + epsilon)`.
pub(super) fn inverse_root(cx: &mut LayerCx<'_>, mean_square: NodeId, epsilon: f64) -> BuildResult {
    let epsilon = cx.part("epsilon", Constant { value: epsilon, shape: Shape::scalar() }, &[])?;
    let sum = cx.part("radicand", Add {}, &[mean_square, epsilon])?;
    cx.part("factor", Rsqrt {}, &[sum])
}

/// `x - mean` over these axes, and the step that brings it to a variance of 1.
pub(super) fn centred(
    cx: &mut LayerCx<'_>,
    x: NodeId,
    axes: &[usize],
    epsilon: f64,
) -> Result<(NodeId, Step), BuildError> {
    let mean = cx.part("mean", ReduceMean { axes: axes.to_vec(), keep_dims: true }, &[x])?;
    let deviation = cx.part("deviation", Sub {}, &[x, mean])?;
    let variance = cx.part("variance", ReduceVariance { axes: axes.to_vec(), keep_dims: true }, &[x])?;
    let factor = inverse_root(cx, variance, epsilon)?;
    Ok((deviation, ("normalized", Mul {}.into(), Some(factor))))
}

/// The step that multiplies by a weight with the sizes of these axes of `shape`.
pub(super) fn scaled(cx: &mut LayerCx<'_>, weight: &str, shape: &Shape, axes: &[usize]) -> Result<Step, BuildError> {
    Ok(("scaled", Mul {}.into(), Some(along(cx, weight, shape, axes, 1.0)?)))
}

/// The step that adds a weight with the sizes of these axes of `shape`.
pub(super) fn shifted(cx: &mut LayerCx<'_>, weight: &str, shape: &Shape, axes: &[usize]) -> Result<Step, BuildError> {
    Ok(("shifted", Add {}.into(), Some(along(cx, weight, shape, axes, 0.0)?)))
}

/// A weight with the sizes of these axes, in a form that broadcasts against `shape`.
fn along(cx: &mut LayerCx<'_>, weight: &str, shape: &Shape, axes: &[usize], start: f64) -> BuildResult {
    let size = |axis: usize| match shape.0[axis] {
        Dim::Fixed(size) if axes.contains(&axis) => size,
        _ => 1,
    };
    let sizes: Vec<usize> = axes.iter().map(|&axis| size(axis)).collect();
    let kept: Vec<usize> = (axes[0]..shape.rank()).map(size).collect();
    let node = cx.weight(weight, &sizes, Initializer::Constant(start))?;
    match kept == sizes {
        true => Ok(node),
        false => cx.part(&format!("{weight}_view"), Reshape { shape: Shape::fixed(&kept) }, &[node]),
    }
}
