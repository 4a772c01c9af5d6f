//! `canonicalise`: one form for things that can be written in several ways.
//!
//! Input: any graph. Output: constants are the right operand of commutative ops and other operands
//! stand in order of id; slices for the parts of a `split`; no `neg` under `add` or `sub`; no reshape,
//! transpose or broadcast that does nothing, follows another one, or only serves an elementwise op that
//! broadcasts anyway; no slice, pad or concat that does nothing.
//! Must hold: values stay the same, but for signs of zero in gradients and updates.
//!
//! ```text
//! %3 = mul(%2, %1)                    %3 = mul(%1, %2)
//! %4 = reshape(%3) {shape=[2,3]}  =>  %5 = reshape(%3) {shape=[6]}
//! %5 = reshape(%4) {shape=[6]}
//! ```

use crate::report::Report;
use crate::rewrite::{Rule, apply_rules, constant_value, is_constant, signs_of_zero_are_free};
use graphc_ir::graph::{Graph, NodeId, OpCx};
use graphc_ir::ops::{Broadcast, Op, Reshape, Transpose};

/// See the module.
pub fn run(graph: &mut Graph) -> Report {
    apply_rules(graph, RULES)
}

const RULES: &[Rule] = &[
    Rule { name: "order_operands", ops: |op| matches!(op, Op::Add(_) | Op::Mul(_)), apply: order_operands },
    Rule { name: "neg_into_add", ops: |op| matches!(op, Op::Add(_)), apply: neg_into_add },
    Rule { name: "neg_into_sub", ops: |op| matches!(op, Op::Sub(_)), apply: neg_into_sub },
    Rule { name: "neg_of_sub", ops: |op| matches!(op, Op::Neg(_)), apply: neg_of_sub },
    Rule { name: "mul_by_minus_one", ops: |op| matches!(op, Op::Mul(_)), apply: mul_by_minus_one },
    Rule { name: "identity_shape", ops: moves_elements, apply: identity_shape },
    Rule { name: "reshape_of_reshape", ops: |op| matches!(op, Op::Reshape(_)), apply: reshape_of_reshape },
    Rule { name: "transpose_of_transpose", ops: |op| matches!(op, Op::Transpose(_)), apply: transpose_of_transpose },
    Rule { name: "broadcast_of_broadcast", ops: |op| matches!(op, Op::Broadcast(_)), apply: broadcast_of_broadcast },
    Rule { name: "split_is_slice", ops: |op| matches!(op, Op::Split(_)), apply: split_is_slice },
    Rule { name: "implicit_broadcast", ops: broadcasts, apply: implicit_broadcast },
];

fn moves_elements(op: &Op) -> bool {
    matches!(op, Op::Reshape(_) | Op::Broadcast(_) | Op::Transpose(_) | Op::Slice(_) | Op::Pad(_) | Op::Concat(_))
}

fn broadcasts(op: &Op) -> bool {
    matches!(op, Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Div(_) | Op::ReluGrad(_))
}

// c + x => x + c; y + x => x + y if x is the older node. Likewise mul.
fn order_operands(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let [a, b] = [cx.operands[0], cx.operands[1]];
    let rank = |id| (constant_value(cx.graph, id).is_some(), id);
    (rank(a) > rank(b)).then(|| cx.add(cx.graph.op(cx.node).clone(), &[b, a]))
}

// x + (-y) => x - y; (-y) + x => x - y
fn neg_into_add(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let [a, b] = [cx.operands[0], cx.operands[1]];
    if let Some(y) = negated(cx, b) {
        return Some(cx.minus(a, y));
    }
    let y = negated(cx, a)?;
    Some(cx.minus(b, y))
}

// x - (-y) => x + y
fn neg_into_sub(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let [a, b] = [cx.operands[0], cx.operands[1]];
    let y = negated(cx, b)?;
    Some(cx.plus(a, y))
}

// -(x - y) => y - x where the sign of a zero does not matter (x = y)
fn neg_of_sub(cx: &mut OpCx<'_>) -> Option<NodeId> {
    signs_of_zero_are_free(cx).then_some(())?;
    let difference = negated(cx, cx.node)?;
    matches!(cx.graph.op(difference), Op::Sub(_)).then_some(())?;
    let operands = cx.graph.operands(difference);
    Some(cx.minus(operands[1], operands[0]))
}

// x * -1 => -x
fn mul_by_minus_one(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let [x, factor] = [cx.operands[0], cx.operands[1]];
    let applies = is_constant(cx.graph, factor, -1.0) && cx.graph.ty(x) == cx.graph.ty(cx.node);
    applies.then(|| cx.negative(x))
}

// reshape(x) => x of the same shape, and whatever else gives all of x as it is; transpose(x) => x in the same order
fn identity_shape(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let is_identity = match cx.graph.op(cx.node) {
        Op::Slice(slice) if slice.step < 0 => false,
        Op::Reshape(_) | Op::Broadcast(_) | Op::Slice(_) | Op::Pad(_) | Op::Concat(_) => {
            cx.graph.ty(cx.operands[0]) == cx.graph.ty(cx.node)
        }
        Op::Transpose(op) => op.perm.iter().enumerate().all(|(axis, &from)| axis == from),
        _ => false,
    };
    is_identity.then(|| cx.operands[0])
}

// reshape(reshape(x)) => reshape(x)
fn reshape_of_reshape(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let Op::Reshape(outer) = cx.graph.op(cx.node).clone() else { return None };
    matches!(cx.graph.op(cx.operands[0]), Op::Reshape(_)).then_some(())?;
    let x = cx.graph.operands(cx.operands[0])[0];
    Some(cx.add(Reshape { shape: outer.shape }, &[x]))
}

// transpose(transpose(x, inner), outer) => transpose(x, inner[outer])
fn transpose_of_transpose(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let Op::Transpose(outer) = cx.graph.op(cx.node).clone() else { return None };
    let Op::Transpose(inner) = cx.graph.op(cx.operands[0]).clone() else { return None };
    let x = cx.graph.operands(cx.operands[0])[0];
    let perm = outer.perm.iter().map(|&axis| inner.perm[axis]).collect();
    Some(cx.add(Transpose { perm }, &[x]))
}

// broadcast(broadcast(x)) => broadcast(x)
fn broadcast_of_broadcast(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let Op::Broadcast(outer) = cx.graph.op(cx.node).clone() else { return None };
    matches!(cx.graph.op(cx.operands[0]), Op::Broadcast(_)).then_some(())?;
    let x = cx.graph.operands(cx.operands[0])[0];
    Some(cx.add(Broadcast { shape: outer.shape }, &[x]))
}

// split(x) => slice(x), which others may be equal to
fn split_is_slice(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let Op::Split(split) = cx.graph.op(cx.node) else { return None };
    let part = split.part();
    Some(cx.add(part, &[cx.operands[0]]))
}

// x + broadcast(y) => x + y if x has the result's shape; likewise the other elementwise ops
fn implicit_broadcast(cx: &mut OpCx<'_>) -> Option<NodeId> {
    for (slot, &operand) in cx.operands.iter().enumerate() {
        if !matches!(cx.graph.op(operand), Op::Broadcast(_)) {
            continue;
        }
        let mut operands = cx.operands.clone();
        operands[slot] = cx.graph.operands(operand)[0];
        let types: Vec<_> = operands.iter().map(|&id| cx.graph.ty(id)).collect();
        let op = cx.graph.op(cx.node);
        if op.infer(&types).is_ok_and(|ty| ty == *cx.graph.ty(cx.node)) {
            return Some(cx.add(op.clone(), &operands));
        }
    }
    None
}

/// `x` if `id` is `neg(x)`.
fn negated(cx: &OpCx<'_>, id: NodeId) -> Option<NodeId> {
    matches!(cx.graph.op(id), Op::Neg(_)).then(|| cx.graph.operands(id)[0])
}
