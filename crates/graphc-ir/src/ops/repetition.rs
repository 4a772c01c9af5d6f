//! What `tile` and `repeat` share: an axis that is there several times.

use crate::graph::{NodeId, OpCx};
use crate::types::{Dim, Shape};

/// How copies of an axis stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Copies {
    /// The axis as a whole, again and again.
    Whole,
    /// Each coordinate beside its copies.
    Beside,
}

/// `x` with so many copies of an axis: a view of a broadcast, so that gradients of copies add up.
pub(super) fn repeated(cx: &mut OpCx<'_>, x: NodeId, axis: usize, n: usize, copies: Copies) -> NodeId {
    let mut shape = cx.ty(x).shape;
    let size = cx.ty(x).fixed_dim(axis, "the axis").expect("it is repeated");
    let with = |dims: &[usize]| {
        let dims = dims.iter().map(|&size| Dim::Fixed(size));
        let mut all = shape.0.clone();
        all.splice(axis..=axis, dims);
        Shape(all)
    };
    let (one, many) = match copies {
        Copies::Whole => (with(&[1, size]), with(&[n, size])),
        Copies::Beside => (with(&[size, 1]), with(&[size, n])),
    };
    shape.0[axis] = Dim::Fixed(size * n);
    let apart = cx.reshaped(x, &one);
    let copied = cx.broadcast_to(apart, &many);
    cx.reshaped(copied, &shape)
}
