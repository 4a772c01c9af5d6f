//! `simplify`: algebraic rules, each with its identity.
//!
//! Input: any graph, at any stage: the losses are recognised before composites are expanded,
//! statistics of shifted values after that and before autodiff. Output: the graph with every rule
//! applied wherever it fits.
//! Must hold: values stay the same up to rounding, and no rule hides a NaN or an infinity: `0 * x => 0` fires only
//! where `x` cannot be one, and a value that cancels out leaves `zero_if_finite` behind. A zero keeps its sign in
//! what the network computes; in gradients, updates and statistics it may change (`rewrite::signs_of_zero_are_free`).
//!
//! The rules about shifts in front of batch statistics stand in `shift.rs`, those about parts of a tensor in
//! `pieces.rs`, that about products of many steps in `products.rs`.
//!
//! ```text
//! %3 = log(%2) of %2 = softmax(%1)              =>   %3 = log_softmax(%1)
//! %4 = categorical_crossentropy(%2, %y)         =>   %4 = softmax_crossentropy(%1, %y)
//! %5 = reduce_variance(add(%x, %b)) {axes=[0]}  =>   %5 = reduce_variance(%x) {axes=[0]}
//! ```

use crate::pieces;
use crate::products;
use crate::report::Report;
use crate::rewrite::{Rule, apply_rules, constant_value, is_constant, signs_of_zero_are_free};
use crate::shift::{self, is_constant_along, reduced_shape};
use graphc_ir::graph::{Graph, NodeId, OpCx};
use graphc_ir::ops::{Log, LogSigmoid, LogSoftmax, Op, Pick, Sigmoid, Softmax, SoftmaxCrossentropy, Where, Xmuly};
use graphc_ir::types::{DType, Dim};

/// See the module.
pub fn run(graph: &mut Graph) -> Report {
    apply_rules(graph, RULES)
}

const RULES: &[Rule] = &[
    Rule { name: "log_of_softmax", ops: |op| matches!(op, Op::Log(_)), apply: log_of_softmax },
    Rule { name: "log_of_sigmoid", ops: |op| matches!(op, Op::Log(_)), apply: log_of_sigmoid },
    Rule {
        name: "crossentropy_of_softmax",
        ops: |op| matches!(op, Op::CategoricalCrossentropy(_)),
        apply: crossentropy_of_softmax,
    },
    Rule { name: "pick_of_sigmoid", ops: |op| matches!(op, Op::Pick(_)), apply: pick_of_sigmoid },
    Rule { name: "log_of_pick_of_softmax", ops: |op| matches!(op, Op::Log(_)), apply: log_of_pick_of_softmax },
    Rule { name: "log_of_chosen_softmax", ops: |op| matches!(op, Op::Log(_)), apply: log_of_chosen_softmax },
    Rule { name: "xlogy_of_probability", ops: |op| matches!(op, Op::Xlogy(_)), apply: xlogy_of_probability },
    Rule { name: "mean_of_shifted", ops: |op| matches!(op, Op::ReduceMean(_)), apply: shift::mean_of_shifted },
    Rule {
        name: "variance_of_shifted",
        ops: |op| matches!(op, Op::ReduceVariance(_)),
        apply: shift::variance_of_shifted,
    },
    Rule { name: "normalize_of_shifted", ops: |op| matches!(op, Op::Normalize(_)), apply: shift::normalize_of_shifted },
    Rule { name: "shift_through_conv", ops: |op| matches!(op, Op::Conv2d(_)), apply: shift::shift_through_conv },
    Rule { name: "sum_of_parts", ops: |op| matches!(op, Op::Add(_)), apply: pieces::sum_of_parts },
    Rule { name: "sum_of_products", ops: |op| matches!(op, Op::Add(_)), apply: products::sum_of_products },
    Rule { name: "add_zero", ops: |op| matches!(op, Op::Add(_)), apply: add_zero },
    Rule { name: "sub_zero", ops: |op| matches!(op, Op::Sub(_)), apply: sub_zero },
    Rule { name: "mul_one", ops: |op| matches!(op, Op::Mul(_)), apply: mul_one },
    Rule { name: "mul_zero", ops: |op| matches!(op, Op::Mul(_)), apply: mul_zero },
    Rule { name: "div_one", ops: |op| matches!(op, Op::Div(_)), apply: div_one },
    Rule { name: "neg_of_neg", ops: |op| matches!(op, Op::Neg(_)), apply: neg_of_neg },
    Rule { name: "relu_of_relu", ops: |op| matches!(op, Op::Relu(_)), apply: relu_of_relu },
    Rule { name: "sum_of_broadcast", ops: |op| matches!(op, Op::ReduceSum(_)), apply: sum_of_broadcast },
    Rule { name: "mean_of_broadcast", ops: |op| matches!(op, Op::ReduceMean(_)), apply: mean_of_broadcast },
];

// log(softmax(x)) => log_softmax(x)
fn log_of_softmax(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let &Op::Softmax(Softmax { axis }) = cx.graph.op(cx.operands[0]) else { return None };
    let x = cx.graph.operands(cx.operands[0])[0];
    Some(cx.add(LogSoftmax { axis }, &[x]))
}

// log(sigmoid(x)) => log_sigmoid(x)
fn log_of_sigmoid(cx: &mut OpCx<'_>) -> Option<NodeId> {
    matches!(cx.graph.op(cx.operands[0]), Op::Sigmoid(_)).then_some(())?;
    let x = cx.graph.operands(cx.operands[0])[0];
    Some(cx.add(LogSigmoid {}, &[x]))
}

// pick(sigmoid(x), y) => sigmoid(pick(x, y)), so that its logarithm can be taken without underflow
fn pick_of_sigmoid(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let [rows, labels] = [cx.operands[0], cx.operands[1]];
    matches!(cx.graph.op(rows), Op::Sigmoid(_)).then_some(())?;
    let x = cx.graph.operands(rows)[0];
    let picked = cx.add(Pick {}, &[x, labels]);
    Some(cx.add(Sigmoid {}, &[picked]))
}

// log(pick(softmax(x), y)) => pick(log_softmax(x), y), whatever its axis: what a weighted cross-entropy becomes
fn log_of_pick_of_softmax(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let picked = cx.operands[0];
    matches!(cx.graph.op(picked), Op::Pick(_)).then_some(())?;
    let [rows, labels] = cx.graph.operands(picked)[..] else { return None };
    let &Op::Softmax(Softmax { axis }) = cx.graph.op(rows) else { return None };
    let x = cx.graph.operands(rows)[0];
    let logs = cx.add(LogSoftmax { axis }, &[x]);
    Some(cx.add(Pick {}, &[logs, labels]))
}

// xlogy(t, softmax(x)) => xmuly(t, log_softmax(x)), xlogy(t, sigmoid(x)) => xmuly(t, log_sigmoid(x)),
// xlogy(t, 1 - sigmoid(x)) => xmuly(t, log_sigmoid(-x))
fn xlogy_of_probability(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let [t, p] = [cx.operands[0], cx.operands[1]];
    let operands = cx.graph.operands(p);
    let logs = match cx.graph.op(p) {
        &Op::Softmax(Softmax { axis }) => cx.add(LogSoftmax { axis }, &operands),
        Op::Sigmoid(_) => cx.add(LogSigmoid {}, &operands),
        Op::Sub(_) if is_constant(cx.graph, operands[0], 1.0) => {
            matches!(cx.graph.op(operands[1]), Op::Sigmoid(_)).then_some(())?;
            let minus_x = cx.negative(cx.graph.operands(operands[1])[0]);
            cx.add(LogSigmoid {}, &[minus_x])
        }
        _ => return None,
    };
    // A constant 1 of another shape may have broadcast the probabilities.
    let logs = cx.broadcast_to(logs, &cx.ty(p).shape);
    Some(cx.add(Xmuly {}, &[t, logs]))
}

// log(where(c, softmax(x), 1)) => where(c, log_softmax(x), 0), and of pick(softmax(x), y): what a cross-entropy with
// labels that do not count becomes. Logarithms of other numbers are left to the polynomial that machines share.
fn log_of_chosen_softmax(cx: &mut OpCx<'_>) -> Option<NodeId> {
    matches!(cx.graph.op(cx.operands[0]), Op::Where(_)).then_some(())?;
    let [condition, chosen, other] = cx.graph.operands(cx.operands[0])[..] else { return None };
    is_constant(cx.graph, other, 1.0).then_some(())?;
    let rows = match cx.graph.op(chosen) {
        Op::Pick(_) => cx.graph.operands(chosen)[0],
        _ => chosen,
    };
    matches!(cx.graph.op(rows), Op::Softmax(_)).then_some(())?;
    let log = cx.add(Log {}, &[chosen]);
    let zero = cx.constant(0.0);
    let choice = cx.add(Where {}, &[condition, log, zero]);
    Some(as_result(cx, choice))
}

// categorical_crossentropy(softmax(x), y) => softmax_crossentropy(x, y), over the classes, of labels without weights or
// settings
fn crossentropy_of_softmax(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let [prediction, target] = cx.operands[..] else { return None };
    let is_plain = matches!(cx.graph.op(cx.node), Op::CategoricalCrossentropy(loss) if loss.is_plain());
    is_plain.then_some(())?;
    (cx.ty(target).dtype == DType::I32).then_some(())?;
    let rank = cx.ty(prediction).rank();
    matches!(cx.graph.op(prediction), Op::Softmax(softmax) if softmax.is_of_last(rank)).then_some(())?;
    let x = cx.graph.operands(prediction)[0];
    Some(cx.add(SoftmaxCrossentropy {}, &[x, target]))
}

// x + -0 => x; x + 0 => x where the sign of a zero does not matter (-0 + 0 is 0)
fn add_zero(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let [a, b] = [cx.operands[0], cx.operands[1]];
    let any_sign = signs_of_zero_are_free(cx);
    let is_neutral = |graph: &Graph, id: NodeId| match constant_value(graph, id) {
        Some(value) => value == 0.0 && (any_sign || value.is_sign_negative()),
        None => false,
    };
    match (is_neutral(cx.graph, a), is_neutral(cx.graph, b)) {
        (_, true) => Some(as_result(cx, a)),
        (true, _) => Some(as_result(cx, b)),
        _ => None,
    }
}

// x - 0 => x, exactly; x - -0 => x where the sign of a zero does not matter. (0 - x is not -x: 0 at x = 0.)
fn sub_zero(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let value = constant_value(cx.graph, cx.operands[1])?;
    let applies = value == 0.0 && (value.is_sign_positive() || signs_of_zero_are_free(cx));
    applies.then(|| as_result(cx, cx.operands[0]))
}

// x * 1 => x
fn mul_one(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let [a, b] = [cx.operands[0], cx.operands[1]];
    match (is_constant(cx.graph, a, 1.0), is_constant(cx.graph, b, 1.0)) {
        (_, true) => Some(as_result(cx, a)),
        (true, _) => Some(as_result(cx, b)),
        _ => None,
    }
}

// x * 0 => 0 if x is finite and at least 0 whatever its operands are: a comparison, a one-hot, a mask, a count
fn mul_zero(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let [a, b] = [cx.operands[0], cx.operands[1]];
    let is_finite =
        |id: NodeId| matches!(cx.graph.op(id), Op::Equal(_) | Op::OneHot(_) | Op::DropoutMask(_) | Op::BatchSize(_));
    let zero = [(a, b), (b, a)].into_iter().find(|&(x, zero)| is_constant(cx.graph, zero, 0.0) && is_finite(x))?.1;
    Some(as_result(cx, zero))
}

// x / 1 => x
fn div_one(cx: &mut OpCx<'_>) -> Option<NodeId> {
    is_constant(cx.graph, cx.operands[1], 1.0).then(|| as_result(cx, cx.operands[0]))
}

// -(-x) => x
fn neg_of_neg(cx: &mut OpCx<'_>) -> Option<NodeId> {
    matches!(cx.graph.op(cx.operands[0]), Op::Neg(_)).then(|| cx.graph.operands(cx.operands[0])[0])
}

// relu(relu(x)) => relu(x)
fn relu_of_relu(cx: &mut OpCx<'_>) -> Option<NodeId> {
    matches!(cx.graph.op(cx.operands[0]), Op::Relu(_)).then(|| cx.operands[0])
}

// sum(broadcast(x)) over repeated axes => x * count where the sign of a zero does not matter (a sum begins with 0)
fn sum_of_broadcast(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let Op::ReduceSum(op) = cx.graph.op(cx.node).clone() else { return None };
    signs_of_zero_are_free(cx).then_some(())?;
    let x = repeated(cx, &op.axes, op.keep_dims)?;
    let dims = cx.ty(cx.operands[0]).shape.0;
    let sizes = op.axes.iter().map(|&axis| match dims[axis] {
        Dim::Batch => cx.graph.batch,
        Dim::Fixed(size) => Some(size),
    });
    let count: usize = sizes.product::<Option<usize>>()?;
    let x = as_result(cx, x);
    Some(cx.scaled(x, count as f64))
}

// mean(broadcast(x)) over repeated axes => x
fn mean_of_broadcast(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let Op::ReduceMean(op) = cx.graph.op(cx.node).clone() else { return None };
    let x = repeated(cx, &op.axes, op.keep_dims)?;
    Some(as_result(cx, x))
}

/// `x` reduced over axes along which the operand, `broadcast(x)`, only repeats it.
fn repeated(cx: &mut OpCx<'_>, axes: &[usize], keep_dims: bool) -> Option<NodeId> {
    matches!(cx.graph.op(cx.operands[0]), Op::Broadcast(_)).then_some(())?;
    let x = cx.graph.operands(cx.operands[0])[0];
    let (shape, rank) = (cx.ty(x).shape, cx.ty(cx.operands[0]).rank());
    is_constant_along(&shape, rank, axes).then_some(())?;
    Some(cx.reshaped(x, &reduced_shape(&shape, rank, axes, keep_dims)))
}

/// `x` with the type of the node it replaces; an identity may have broadcast it.
fn as_result(cx: &mut OpCx<'_>, x: NodeId) -> NodeId {
    let shape = cx.ty(cx.node).shape;
    cx.broadcast_to(x, &shape)
}
