//! What `tril` and `triu` share: a part of every matrix stays, which a diagonal bounds.

use super::Lowering;
use super::draw::{Draw, Operand};
use crate::compute::{Compute, ScalarExpr, build};
use crate::index::Affine;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, TensorType, TypeError};

/// A part of matrices.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// Columns up to `row + k`.
    Lower,
    /// Columns from `row + k` on.
    Upper,
}

impl Part {
    fn has(self, row: usize, column: usize, k: i64) -> bool {
        let above = column as i64 - row as i64 - k;
        match self {
            Part::Lower => above <= 0,
            Part::Upper => above >= 0,
        }
    }
}

/// Type of an op on every matrix of the last two dimensions, neither of them the batch.
pub(super) fn infer(name: &str, x: &TensorType) -> Result<TensorType, TypeError> {
    match x.shape.0.as_slice() {
        [.., Dim::Fixed(_), Dim::Fixed(_)] if x.dtype == DType::F32 => Ok(x.clone()),
        _ => Err(TypeError::operand(0, format!("{name} expects f32 matrices of shape [..,rows,columns], got {x}"))),
    }
}

/// The matrices with `value` beside the part.
pub(super) fn eval<R: Real>(x: &Tensor<R>, part: Part, k: i64, value: f64) -> Tensor<R> {
    Tensor::from_fn(&x.shape, |index| {
        let [.., row, column] = *index else { unreachable!("at least two dimensions") };
        if part.has(row, column, k) { x.at(index) } else { R::from_f64(value) }
    })
}

/// The loop form: positions are compared, nothing else is read.
pub(super) fn lower(out: &TensorType, part: Part, k: i64, value: f64) -> Lowering {
    let [row, column] = [out.rank() - 2, out.rank() - 1].map(Compute::axis);
    let x = build::load(0, (0..out.rank()).map(Compute::axis).collect());
    let (column, diagonal) = (ScalarExpr::Index(column), ScalarExpr::Index(row.plus(&Affine::constant(k))));
    let cmp = match part {
        Part::Lower => CmpOp::Le,
        Part::Upper => CmpOp::Ge,
    };
    Lowering::Compute(Compute::map(&out.shape.0, build::select(cmp, column, diagonal, x, ScalarExpr::Const(value))))
}

/// Matrices, a diagonal near the first, and what stands beside the part, with the bound of the result.
pub(super) fn draw(draw: &mut dyn Draw) -> Option<(Operand, i64, f64, f64)> {
    let fits = |dims: &[Dim]| matches!(dims, [.., Dim::Fixed(_), Dim::Fixed(_)]);
    let x = draw.tensor(&|shape| fits(&shape.0))?;
    let (k, value) = ([0, 1, -1, 3, -2][draw.pick(5)], [0.0, -0.5][draw.pick(2)]);
    let bound = x.bound.max(0.5);
    Some((x, k, value, bound))
}
