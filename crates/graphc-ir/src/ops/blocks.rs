//! What `space_to_depth` and `depth_to_space` share: blocks of pixels.

use crate::graph::{NodeId, OpCx};
use crate::ops::{Reshape, Transpose};
use crate::types::{Dim, Shape, TensorType, TypeError};

/// Batch or whatever stands first, height, width and channels of images without a batch inside.
pub(super) fn image(op: &str, x: &TensorType) -> Result<(Dim, [usize; 3]), TypeError> {
    match x.shape.0.as_slice() {
        &[n, Dim::Fixed(h), Dim::Fixed(w), Dim::Fixed(c)] => Ok((n, [h, w, c])),
        _ => Err(TypeError::operand(0, format!("{op} expects images of shape [N,h,w,c], got {x}"))),
    }
}

/// `x` in six dimensions of these sizes, the second and third pair exchanged, in the shape of the node: a pixel's place
/// in its block moves to the channels, or back.
pub(super) fn exchanged(cx: &mut OpCx<'_>, n: Dim, sizes: [usize; 5]) -> NodeId {
    let (x, out) = (cx.operands[0], cx.ty(cx.node).shape);
    let apart = Shape([n].into_iter().chain(sizes.map(Dim::Fixed)).collect());
    let apart = cx.add(Reshape { shape: apart }, &[x]);
    let moved = cx.add(Transpose { perm: vec![0, 1, 3, 2, 4, 5] }, &[apart]);
    cx.add(Reshape { shape: out }, &[moved])
}
