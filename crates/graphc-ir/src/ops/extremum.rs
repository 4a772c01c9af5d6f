//! What `maximum` and `minimum` share: NaN where either is, and a gradient that goes to the one that is taken, half of
//! it to each where both are equal, as in PyTorch.

use super::{Equal, Less, Lowering, Where, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::scalar::{BinaryOp, CmpOp};
use crate::tensor::{Real, Tensor};
use crate::types::TensorType;

/// `a` where it is NaN or `a <cmp> b` holds, otherwise `b`.
pub(super) fn eval<R: Real>(cmp: CmpOp, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
    elementwise::eval(operands, out, |[a, b]| if a.is_nan() || cmp.eval(a, b) { a } else { b })
}

/// The same by the machine's maximum or minimum, which gives `b` where either is NaN.
pub(super) fn lower(op: BinaryOp, operands: &[&TensorType], out: &TensorType) -> Lowering {
    elementwise::lower(operands, out, |loads| {
        let [a, b] = loads.try_into().expect("two operands");
        // A comparison with itself finds NaN.
        build::select(CmpOp::Eq, a.clone(), a.clone(), build::binary(op, a.clone(), b), a)
    })
}

/// Gradients of `a` and `b`, given in which order of the two the first is not taken where it is less.
pub(super) fn vjp(cx: &mut OpCx<'_>, dy: NodeId, lesser: [[usize; 2]; 2]) -> Vec<Option<NodeId>> {
    let operands = [0, 1].map(|slot| cx.operands[slot]);
    let zero = cx.constant(0.0);
    let half = cx.scaled(dy, 0.5);
    let is_tie = cx.add(Equal {}, &operands);
    let share = cx.add(Where {}, &[is_tie, half, dy]);
    let mut gradients = Vec::new();
    for (operand, order) in operands.into_iter().zip(lesser) {
        let is_lost = cx.add(Less {}, &order.map(|slot| operands[slot]));
        let gradient = cx.add(Where {}, &[is_lost, zero, share]);
        let shape = cx.ty(operand).shape;
        gradients.push(Some(cx.unbroadcast(gradient, &shape)));
    }
    gradients
}
