//! `fold_constants`: ops on constants are constants.
//!
//! Input: any graph; sums over the batch and `batch_size` fold once the batch size is known.
//! Output: elementwise ops, shape ops, reductions and `batch_size` whose operands are all constants
//! (every element the same, the only constants there are) become one constant. Products of a value
//! with two constants become one product.
//! Must hold: folding is in `f64`, which is the meaning of the graph; the constant is rounded to
//! `f32` once, when it is used, so `f32` engines may see a result that is better by a rounding.
//! Every engine runs after the pass and sees the same. What is not a normal number in `f32` (or 0), operand or
//! result, stays unfolded: there `f64` means something else. Subnormal numbers count as zero in some engines
//! ([`graphc_ir::scalar::flushed`]), and each computes what is its own.
//!
//! ```text
//! %1 = constant {value=2}; %2 = constant {value=3}
//! %3 = mul(%1, %2)                                  =>   %4 = constant {value=6}
//! ```

use crate::report::Report;
use crate::rewrite::{Rule, apply_rules, constant_value, is_read_only_by};
use graphc_ir::graph::{Graph, NodeId, OpCx};
use graphc_ir::ops::{Constant, Op};
use graphc_ir::tensor::Tensor;
use graphc_ir::types::Dim;

/// See the module.
pub fn run(graph: &mut Graph) -> Report {
    apply_rules(graph, RULES)
}

const RULES: &[Rule] = &[
    Rule { name: "elementwise", ops: |op| moves_elements(op) || op.elementwise().is_some(), apply: elementwise },
    Rule { name: "reduction", ops: is_reduction, apply: reduction },
    Rule { name: "batch_size", ops: |op| matches!(op, Op::BatchSize(_)), apply: batch_size },
    Rule { name: "divisor_to_factor", ops: |op| matches!(op, Op::Div(_)), apply: divisor_to_factor },
    Rule { name: "factors", ops: |op| matches!(op, Op::Mul(_)), apply: factors },
];

fn moves_elements(op: &Op) -> bool {
    matches!(op, Op::Reshape(_) | Op::Broadcast(_) | Op::Transpose(_))
}

fn is_reduction(op: &Op) -> bool {
    matches!(op, Op::ReduceSum(_) | Op::ReduceMean(_) | Op::ReduceMax(_) | Op::ReduceVariance(_))
}

// f(constant, constant) => constant, element by element; a moved or repeated constant is itself
fn elementwise(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let scalar = |id: &NodeId| constant_value(cx.graph, *id).filter(|&x| is_normal(x)).map(Tensor::<f64>::scalar);
    let operands: Vec<Tensor<f64>> = cx.operands.iter().map(scalar).collect::<Option<_>>()?;
    let value = match cx.graph.op(cx.node) {
        op if moves_elements(op) => operands[0].data[0],
        op => op.eval(&operands.iter().collect::<Vec<_>>(), &[]).data[0],
    };
    constant(cx, value)
}

// reduce_sum(c) => c * count; reduce_mean(c) => c; reduce_max(c) => c; reduce_variance(c) => 0
fn reduction(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let value = constant_value(cx.graph, *cx.operands.first()?).filter(|&x| is_normal(x))?;
    let result = match cx.graph.op(cx.node) {
        Op::ReduceSum(op) => {
            let dims = &cx.graph.ty(cx.operands[0]).shape.0;
            let sizes = op.axes.iter().map(|&axis| match dims[axis] {
                Dim::Batch => cx.graph.batch,
                Dim::Fixed(size) => Some(size),
            });
            value * sizes.product::<Option<usize>>()? as f64
        }
        Op::ReduceMean(_) | Op::ReduceMax(_) => value,
        Op::ReduceVariance(_) => 0.0,
        _ => return None,
    };
    constant(cx, result)
}

// batch_size => N
fn batch_size(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let batch = cx.graph.batch?;
    constant(cx, batch as f64)
}

// x / c => x * (1 / c) if c is a power of two, because then it is the same number
fn divisor_to_factor(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let [x, divisor] = [cx.operands[0], cx.operands[1]];
    let value = constant_value(cx.graph, divisor)?;
    // Within the exponents whose reciprocal is a normal f32.
    let is_power_of_two = value.log2().fract() == 0.0 && (-126.0..=126.0).contains(&value.log2());
    is_power_of_two.then_some(())?;
    let shape = cx.ty(divisor).shape;
    let factor = cx.add(Constant { value: 1.0 / value, shape }, &[]);
    Some(cx.times(x, factor))
}

// (x * a) * b => x * (a * b) if nothing else reads x * a
fn factors(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let [inner, outer_factor] = [cx.operands[0], cx.operands[1]];
    let b = constant_value(cx.graph, outer_factor)?;
    let is_product = matches!(cx.graph.op(inner), Op::Mul(_)) && is_read_only_by(cx.graph, inner, cx.node);
    is_product.then_some(())?;
    let operands = cx.graph.operands(inner);
    let a = constant_value(cx.graph, operands[1])?;
    // No product may leave the range of f32 that its factors stay in.
    let is_safe = |x: f64| (1e-30..=1e30).contains(&x.abs());
    // Where x * a overflows, the folded product must, too.
    let is_safe_step = a.abs() <= 1.0 || b.abs() >= 1.0;
    let is_same_shape = cx.ty(cx.node) == cx.ty(inner) && cx.ty(inner) == cx.ty(operands[0]);
    (is_safe(a) && is_safe(b) && is_safe(a * b) && is_safe_step && is_same_shape).then_some(())?;
    let factor = cx.constant(a * b);
    Some(cx.times(operands[0], factor))
}

/// Whether a constant is in `f32` what it is in `f64`, up to rounding.
fn is_normal(value: f64) -> bool {
    value == 0.0 || (value as f32).is_normal()
}

/// A constant of the node's type, if it can be written down.
fn constant(cx: &mut OpCx<'_>, value: f64) -> Option<NodeId> {
    let shape = cx.ty(cx.node).shape;
    is_normal(value).then(|| cx.add(Constant { value, shape }, &[]))
}
