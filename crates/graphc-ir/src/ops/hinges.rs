//! What losses of a margin share: the target's sign, and how much of the margin lacks.

use super::facts::Domain;
use super::{Constant, Equal, Where};
use crate::graph::{NodeId, OpCx};
use crate::tensor::Real;

/// `max(1 - t * p, 0)`, where a `t` of 0 counts as -1.
pub(super) fn lack<R: Real>(p: R, t: R) -> R {
    let t = if t == R::zero() { -R::one() } else { t };
    let difference = R::one() - t * p;
    if difference < R::zero() { R::zero() } else { difference }
}

/// `1 - t * p`, where a `t` of 0 counts as -1.
pub(super) fn difference(cx: &mut OpCx<'_>, p: NodeId, t: NodeId) -> NodeId {
    let shape = cx.ty(t).shape;
    let [zero, minus_one] = [0.0, -1.0].map(|value| cx.add(Constant { value, shape: shape.clone() }, &[]));
    let is_zero = cx.add(Equal {}, &[t, zero]);
    let t = cx.add(Where {}, &[is_zero, minus_one, t]);
    let product = cx.times(t, p);
    let one = cx.constant(1.0);
    cx.minus(one, product)
}

/// Targets that are not near 0, where the loss jumps.
pub(super) fn domain(operand: usize) -> Domain {
    if operand == 1 { Domain::AtLeast(0.25) } else { Domain::Any }
}
