//! What ops along one axis share.

use crate::types::{Dim, TensorType, TypeError};

/// Size of an axis of operand `operand`, which must not be that of the batch.
pub(super) fn axis_size(op: &str, operand: usize, x: &TensorType, axis: usize) -> Result<usize, TypeError> {
    let fail = |what: String| Err(TypeError::operand(operand, format!("{op} expects {what}, got axis {axis} of {x}")));
    match x.shape.0.get(axis) {
        Some(Dim::Fixed(size)) => Ok(*size),
        Some(Dim::Batch) => fail("an axis other than the batch dimension N".to_string()),
        None => fail(format!("an axis below {}", x.rank())),
    }
}

/// The dimension that an axis is, which counts from 0, or from the end if it is negative: -1 is the last.
pub(super) fn counted(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis.checked_add(rank as i64)? } else { axis };
    usize::try_from(axis).ok().filter(|&axis| axis < rank)
}

/// The type of `x` with another size of an axis.
pub(super) fn with_size(x: &TensorType, axis: usize, size: usize) -> TensorType {
    let mut ty = x.clone();
    ty.shape.0[axis] = Dim::Fixed(size);
    ty
}
