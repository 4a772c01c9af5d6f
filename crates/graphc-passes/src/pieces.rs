//! Rules about tensors in pieces along one axis, used by `simplify`. The gradient of a tensor that is split is a sum of
//! its parts, each with zeros where the others are:
//!
//! ```text
//! %2 = pad(%0) {axis=1, after=3}     =>   %4 = concat(%0, %1) {axis=1}
//! %3 = pad(%1) {axis=1, before=2}
//! %4 = add(%2, %3)
//! ```

use crate::rewrite::{is_read_only_by, signs_of_zero_are_free};
use graphc_ir::graph::{Graph, NodeId, OpCx};
use graphc_ir::ops::{Concat, Op, Pad, PadMode};
use graphc_ir::types::TensorType;

/// Something that is not 0 along a part of an axis.
struct Part {
    /// What is there.
    operands: Vec<NodeId>,
    axis: usize,
    /// Coordinates before and behind it.
    before: usize,
    after: usize,
}

impl Part {
    /// The part that a node puts among zeros, if it does nothing else.
    fn of(graph: &Graph, node: NodeId) -> Option<Part> {
        let operand = graph.operands(node).first().copied()?;
        match graph.op(node) {
            &Op::Pad(Pad { axis, before, after, interior: 0, value: 0.0, mode: PadMode::Constant }) => {
                let operands = match graph.op(operand) {
                    Op::Concat(inner) if inner.axis == axis && is_read_only_by(graph, operand, node) => {
                        graph.operands(operand).to_vec()
                    }
                    _ => vec![operand],
                };
                Some(Part { operands, axis, before, after })
            }
            _ => None,
        }
    }

    /// Coordinates of the axis that are the part.
    fn len(&self, whole: &TensorType) -> Option<usize> {
        whole.fixed_dim(self.axis, "the axis").ok().map(|size| size - self.before - self.after)
    }
}

// pad(a) + pad(b) => pad(concat(a, b)) where b begins where a ends, and signs of zeros do not matter
pub(crate) fn sum_of_parts(cx: &mut OpCx<'_>) -> Option<NodeId> {
    signs_of_zero_are_free(cx).then_some(())?;
    let ty = cx.ty(cx.node);
    let operands = [cx.operands[0], cx.operands[1]];
    operands.iter().all(|&operand| *cx.graph.ty(operand) == ty).then_some(())?;
    let [a, b] = operands.map(|operand| Part::of(cx.graph, operand));
    let (a, b) = a.zip(b).filter(|(a, b)| a.axis == b.axis)?;
    let (first, second) = if a.before < b.before { (a, b) } else { (b, a) };
    (first.before + first.len(&ty)? == second.before).then_some(())?;
    let (axis, before, after) = (first.axis, first.before, second.after);
    let joined = cx.add(Concat { axis }, &[first.operands, second.operands].concat());
    let pad = Pad::zeros(axis, before, after);
    Some(if (before, after) == (0, 0) { joined } else { cx.add(pad, &[joined]) })
}
