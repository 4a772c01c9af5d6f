//! What reductions share: the result's shape, evaluation and index maps.

use super::BatchSize;
use super::draw::{Draw, Operand};
use crate::compute::{Combine, Compute, Nan, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::tensor::{Real, Tensor, for_each_row, row_major_strides};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

/// Shape of an `f32` operand reduced over `axes` (strictly ascending, at least one).
pub(super) fn infer(operand: &TensorType, axes: &[usize], keep_dims: bool) -> Result<Shape, TypeError> {
    if operand.dtype != DType::F32 {
        return Err(TypeError::operand(0, format!("expected an f32 tensor, got {operand}")));
    }
    let ascending = axes.windows(2).all(|pair| pair[0] < pair[1]);
    if axes.is_empty() || !ascending || axes.iter().any(|&axis| axis >= operand.rank()) {
        return Err(TypeError::new(format!(
            "axes must be ascending dimensions of the operand of shape {}, got {axes:?}",
            operand.shape
        )));
    }
    let dims = operand.shape.0.iter().enumerate().filter_map(|(axis, &dim)| match axes.contains(&axis) {
        false => Some(dim),
        true => keep_dims.then_some(Dim::Fixed(1)),
    });
    Ok(Shape(dims.collect()))
}

/// Type of a reduction that has no value of nothing.
pub(super) fn infer_some(operand: &TensorType, axes: &[usize], keep_dims: bool) -> Result<TensorType, TypeError> {
    refuse_empty(operand, axes)?;
    Ok(TensorType::f32(infer(operand, axes, keep_dims)?))
}

/// The operand's shape with reduced dimensions kept as 1.
pub(super) fn kept_shape(operand: &Shape, axes: &[usize]) -> Shape {
    Shape(
        operand
            .0
            .iter()
            .enumerate()
            .map(|(axis, &dim)| if axes.contains(&axis) { Dim::Fixed(1) } else { dim })
            .collect(),
    )
}

/// Number of terms, once the batch size is known.
pub(super) fn count(sizes: &[usize], axes: &[usize]) -> usize {
    axes.iter().map(|&axis| sizes[axis]).product()
}

/// Number of terms without the batch, and whether the batch is reduced, too.
pub(super) fn symbolic_count(shape: &Shape, axes: &[usize]) -> (usize, bool) {
    axes.iter().fold((1, false), |(fixed, batch), &axis| match shape.0[axis] {
        Dim::Batch => (fixed, true),
        Dim::Fixed(size) => (fixed * size, batch),
    })
}

/// Refuses to reduce over a dimension of size 0 (a sum of nothing is 0, a mean or maximum is not).
pub(super) fn refuse_empty(operand: &TensorType, axes: &[usize]) -> Result<(), TypeError> {
    if axes.iter().any(|&axis| operand.shape.0.get(axis) == Some(&Dim::Fixed(0))) {
        return Err(TypeError::operand(
            0,
            format!("cannot reduce over axes {axes:?} of shape {}: a dimension has size 0", operand.shape),
        ));
    }
    Ok(())
}

/// The greater of a term and the greatest of those before; NaN if either is.
pub(super) fn maximum<R: Real>(term: R, before: R) -> R {
    if term > before || term.is_nan() { term } else { before }
}

/// Position that goes with the greatest of at least one value: the first one of equals, NaN greater than any number.
pub(super) fn arg_max<R: Real>(values: impl Iterator<Item = (usize, R)>, nan: Nan) -> usize {
    let later = |best: (usize, R), other: (usize, R)| {
        let is_better = match (best.1.is_nan(), nan) {
            (true, Nan::First) => false,
            _ => other.1 > best.1 || other.1.is_nan(),
        };
        if is_better { other } else { best }
    };
    values.reduce(later).expect("at least one value").0
}

/// `a / count`, where `count` terms of an operand of `shape` are reduced over `axes`.
pub(super) fn divided_by_count(cx: &mut OpCx<'_>, a: NodeId, shape: &Shape, axes: &[usize]) -> NodeId {
    let (fixed, per_batch) = symbolic_count(shape, axes);
    let fixed = fixed as f64;
    if !per_batch {
        return cx.scaled(a, 1.0 / fixed);
    }
    let batch = cx.add(BatchSize {}, &[]);
    let count = if fixed == 1.0 { batch } else { cx.scaled(batch, fixed) };
    cx.over(a, count)
}

/// The result of a reduction over `axes` in a form that broadcasts against the operand. Leading
/// axes need no reshape, so that a mean over all but the last axis stays the node it is.
pub(super) fn aligned(cx: &mut OpCx<'_>, reduced: NodeId, shape: &Shape, axes: &[usize]) -> NodeId {
    let leading = axes.iter().copied().eq(0..axes.len());
    if leading { reduced } else { cx.reshaped(reduced, &kept_shape(shape, axes)) }
}

/// An operand, axes of it, and whether they stay.
pub(super) fn draw(draw: &mut dyn Draw) -> Option<(Operand, Vec<usize>, bool)> {
    let x = draw.tensor(&|shape| shape.rank() > 0)?;
    let axes = draw.axes(x.ty.rank())?;
    Some((x, axes, draw.flag()))
}

/// Numbers that are read or learned, axes of them, and whether these stay: what is computed may be beside a step in
/// another engine.
pub(super) fn draw_given(draw: &mut dyn Draw) -> Option<(Operand, Vec<usize>, bool)> {
    let (x, axes, keep_dims) = self::draw(draw)?;
    Some((draw.numbers(x.ty.shape), axes, keep_dims))
}

/// Folds the terms of every result element in row-major order of the operand.
pub(super) fn eval<R: Real>(
    x: &Tensor<R>,
    axes: &[usize],
    out: &[usize],
    start: R,
    f: impl Fn(R, R) -> R,
) -> Tensor<R> {
    let sizes = x.shape.iter().enumerate();
    let kept: Vec<usize> = sizes.map(|(axis, &size)| if axes.contains(&axis) { 1 } else { size }).collect();
    let mut strides = row_major_strides(&kept);
    axes.iter().for_each(|&axis| strides[axis] = 0);
    let mut result = Tensor { shape: out.to_vec(), data: vec![start; out.iter().product()] };
    let (len, step) = (x.shape[x.shape.len() - 1], strides[strides.len() - 1]);
    for_each_row(&x.shape, [&x.strides(), &strides], |[from, to]| {
        for (i, &term) in x.data[from..][..len].iter().enumerate() {
            let slot = &mut result.data[to + i * step];
            *slot = f(*slot, term);
        }
    });
    result
}

/// The loop form: combines the operand's elements over `axes`.
pub(super) fn lower(
    operand: &TensorType,
    axes: &[usize],
    keep_dims: bool,
    out: &TensorType,
    combine: Combine,
) -> Compute {
    let reds: Vec<Dim> = axes.iter().map(|&axis| operand.shape.0[axis]).collect();
    let (mut n_kept, mut n_reduced) = (0, 0);
    let index = (0..operand.rank()).map(|axis| {
        let var = if axes.contains(&axis) {
            n_reduced += 1;
            n_kept += usize::from(keep_dims);
            out.rank() + n_reduced - 1
        } else {
            n_kept += 1;
            n_kept - 1
        };
        Affine::var(Var(var as u32))
    });
    let body: ScalarExpr = build::load(0, index.collect());
    Compute::reduce(&out.shape.0, &reds, combine, body)
}
