//! What elementwise ops make of NaN, infinities, zeros of either sign and ties, in numbers.

use crate::cases::{b, case};
use crate::graph_eval::{OneOp, evaluate, input};
use graphc_ir::graph::Mode;
use graphc_ir::ops::*;
use graphc_ir::{Op, Tensor};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

fn row(data: &[f64]) -> Tensor<f64> {
    Tensor::new(vec![data.len()], data.to_vec())
}

/// Fails unless the op gives these bits; NaN is any.
fn check(op: impl Into<Op>, operands: &[&[f64]], expected: &[f64]) {
    let op = op.into();
    let operands: Vec<Tensor<f64>> = operands.iter().map(|data| row(data)).collect();
    let found = op.eval(&operands.iter().collect::<Vec<_>>(), &[expected.len()]);
    let same = |(x, y): (&f64, &f64)| x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan());
    assert!(found.data.iter().zip(expected).all(same), "{op:?} gives {:?}, expected {expected:?}", found.data);
}

#[test]
fn comparisons_with_nan_and_zeros() {
    let operands: [&[f64]; 2] = [&[1.0, 2.0, 2.0, -0.0, NAN, 1.0, NAN, INF], &[2.0, 1.0, 2.0, 0.0, 1.0, NAN, NAN, INF]];
    check(Equal {}, &operands, &[0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    check(NotEqual {}, &operands, &[1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]);
    check(Less {}, &operands, &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    check(LessEqual {}, &operands, &[1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    check(Greater {}, &operands, &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    check(GreaterEqual {}, &operands, &[0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn nan_is_true_and_zeros_are_false() {
    let operands: [&[f64]; 2] = [&[0.0, -0.0, 3.0, NAN, NAN], &[0.0, -1.0, -0.0, 0.0, INF]];
    check(LogicalAnd {}, &operands, &[0.0, 0.0, 0.0, 0.0, 1.0]);
    check(LogicalOr {}, &operands, &[0.0, 1.0, 1.0, 1.0, 1.0]);
    check(LogicalNot {}, &operands[..1], &[1.0, 1.0, 0.0, 0.0, 0.0]);
    check(Where {}, &[&[0.0, -0.0, 1.0, NAN], &[NAN, 1.0, -0.0, 5.0], &[2.0, INF, NAN, NAN]], &[2.0, INF, -0.0, 5.0]);
}

#[test]
fn extrema_pass_nan_on() {
    let operands: [&[f64]; 2] = [&[1.0, NAN, 1.0, 0.0, -0.0, -INF], &[2.0, 1.0, NAN, -0.0, 0.0, 3.0]];
    check(Maximum {}, &operands, &[2.0, NAN, NAN, -0.0, 0.0, 3.0]);
    check(Minimum {}, &operands, &[1.0, NAN, NAN, -0.0, 0.0, -INF]);
}

#[test]
fn functions_of_one_number() {
    check(Reciprocal {}, &[&[4.0, 0.0, -0.0, INF, -INF, NAN]], &[0.25, INF, -INF, 0.0, -0.0, NAN]);
    check(Relu6 {}, &[&[-INF, -0.0, 2.5, 6.5, INF, NAN]], &[0.0, 0.0, 2.5, 6.0, 6.0, NAN]);
    let clip = Clip { x_min: 0.0, x_max: 2.0 };
    check(clip, &[&[-INF, -0.0, 0.5, 2.5, INF, NAN]], &[0.0, -0.0, 0.5, 2.0, 2.0, NAN]);
    check(Celu { alpha: 2.0 }, &[&[3.0, -INF, INF, NAN]], &[3.0, -2.0, INF, NAN]);
}

#[test]
fn powers() {
    let power = |exponent: f64, x: &[f64], expected: &[f64]| check(Power { exponent }, &[x], expected);
    power(0.0, &[NAN, 0.0, -INF, 3.0], &[1.0; 4]);
    power(1.0, &[NAN, -0.0, -INF, 3.0], &[NAN, -0.0, -INF, 3.0]);
    power(3.0, &[NAN, -0.0, -INF, -3.0], &[NAN, -0.0, -INF, -27.0]);
    power(10.0, &[-2.0, INF], &[1024.0, INF]);
    power(-1.0, &[-0.0, INF, -4.0], &[-INF, 0.0, -0.25]);
    power(-2.0, &[-0.0, -INF, -4.0], &[INF, 0.0, 0.0625]);
    power(0.5, &[0.0, 4.0, -4.0, INF], &[0.0, 2.0, NAN, INF]);
    power(-0.5, &[0.0, 4.0, -4.0, INF], &[INF, 0.5, NAN, 0.0]);
    power(1.5, &[0.0, 1.0, -4.0, INF], &[0.0, 1.0, NAN, INF]);
    power(-1.5, &[0.0, 1.0, -4.0, INF], &[INF, 1.0, NAN, 0.0]);
    power(1e300, &[-1.0, 0.5, 2.0], &[1.0, 0.0, INF]);
    assert_eq!(gradients(Power { exponent: 1.5 }, &[&[0.0, 4.0]]), [[0.0, 24.0]]);
    assert_eq!(gradients(Power { exponent: 3.0 }, &[&[0.0, -2.0]]), [[0.0, 96.0]]);
    assert_eq!(gradients(Power { exponent: 0.0 }, &[&[0.0, -2.0]]), [[]]);
}

/// The gradients of an op for a gradient of 8 everywhere.
fn gradients(op: impl Into<Op>, operands: &[&[f64]]) -> Vec<Vec<f64>> {
    let n = operands[0].len();
    let case = case(op, &vec![b(&[n]); operands.len()]);
    let mut net = OneOp::new(&case);
    let dy = input(&mut net.graph, &case.result());
    let nodes = case.op.vjp(&mut net.cx(Mode::Train), dy);
    let tensors: Vec<Tensor<f64>> = operands.iter().map(|data| Tensor::new(vec![1, n], data.to_vec())).collect();
    let gradient = Tensor::full(&[1, n], 8.0);
    let feeds: Vec<_> = net.inputs.iter().copied().zip(&tensors).chain([(dy, &gradient)]).collect();
    let values = evaluate(&net.graph, &feeds, 1);
    nodes.into_iter().map(|node| node.map_or(Vec::new(), |node| values[&node].data.clone())).collect()
}

#[test]
fn gradients_at_ties_and_ends() {
    let operands: [&[f64]; 2] = [&[1.0, 2.0, 2.0, NAN, INF], &[2.0, 1.0, 2.0, 0.0, INF]];
    assert_eq!(gradients(Maximum {}, &operands), [[0.0, 8.0, 4.0, 8.0, 4.0], [8.0, 0.0, 4.0, 8.0, 4.0]]);
    assert_eq!(gradients(Minimum {}, &operands), [[8.0, 0.0, 4.0, 8.0, 4.0], [0.0, 8.0, 4.0, 8.0, 4.0]]);
    assert_eq!(gradients(Relu6 {}, &[&[-1.0, 0.0, 3.0, 6.0, INF, NAN]]), [[0.0, 0.0, 8.0, 0.0, 0.0, 8.0]]);
    let clip = Clip { x_min: -1.0, x_max: 2.0 };
    assert_eq!(gradients(clip, &[&[-1.5, -1.0, 0.0, 2.0, INF, NAN]]), [[0.0, 8.0, 8.0, 8.0, 0.0, 8.0]]);
    let chosen = gradients(Where {}, &[&[1.0, 0.0, NAN], &[NAN, INF, 1.0], &[0.0, 0.0, 0.0]]);
    assert_eq!(chosen, [vec![], vec![8.0, 0.0, 8.0], vec![0.0, 8.0, 0.0]]);
}

/// One operand reduced along its only dimension, which stays.
#[test]
fn reductions() {
    let (axes, keep_dims) = (vec![0], true);
    let min = |x: &[f64], expected| check(ReduceMin { axes: axes.clone(), keep_dims }, &[x], &[expected]);
    min(&[3.0, -INF, 2.0], -INF);
    min(&[3.0, NAN, -INF], NAN);
    min(&[INF, INF], INF);
    let log_sum = |x: &[f64], expected| check(ReduceLogsumexp { axes: axes.clone(), keep_dims }, &[x], &[expected]);
    log_sum(&[-INF, -INF], -INF);
    log_sum(&[INF, 1.0, -INF], INF);
    log_sum(&[-INF, 700.0], 700.0);
    log_sum(&[NAN, 1.0], NAN);
    let prod = |x: &[f64], expected| check(ReduceProd { axes: axes.clone(), keep_dims }, &[x], &[expected]);
    prod(&[2.0, -3.0, 0.5], -3.0);
    prod(&[0.0, INF], NAN);
    prod(&[-0.0, 2.0], -0.0);
    let any = |x: &[f64], expected| check(ReduceAny { axes: axes.clone(), keep_dims }, &[x], &[expected]);
    any(&[0.0, -0.0], 0.0);
    any(&[0.0, NAN], 1.0);
    let all = |x: &[f64], expected| check(ReduceAll { axes: axes.clone(), keep_dims }, &[x], &[expected]);
    all(&[NAN, -1.0], 1.0);
    all(&[1.0, -0.0], 0.0);
}

#[test]
fn positions_of_extrema() {
    let argmin = |x: &[f64], expected: f64| {
        let found = Op::from(Argmin { axis: 0 }).eval(&[&row(x)], &[]);
        assert_eq!(found.data, [expected]);
    };
    argmin(&[2.0, 1.0, 1.0], 1.0);
    argmin(&[2.0, NAN, -INF, NAN], 1.0);
    argmin(&[0.0, -0.0], 0.0);
    let x: [&[f64]; 1] = [&[2.0, -INF, NAN, 2.0, INF, NAN]];
    check(TopK { k: 6, result: 0 }, &x, &[NAN, NAN, INF, 2.0, 2.0, -INF]);
    check(TopK { k: 6, result: 1 }, &x, &[2.0, 5.0, 4.0, 0.0, 3.0, 1.0]);
    check(TopK { k: 2, result: 1 }, &[&[-INF, -INF, -INF]], &[0.0, 1.0]);
}

#[test]
fn the_2_norm_of_zeros_has_a_gradient_of_zeros() {
    let case = case(ReduceL2 { axes: vec![1], keep_dims: false }, &[b(&[2])]);
    let mut net = OneOp::new(&case);
    let dy = input(&mut net.graph, &case.result());
    let dx = case.op.vjp(&mut net.cx(Mode::Train), dy)[0].unwrap();
    let x = Tensor::new(vec![3, 2], vec![0.0, -0.0, 3.0, -4.0, NAN, 1.0]);
    let values = evaluate(&net.graph, &[(net.inputs[0], &x), (dy, &Tensor::full(&[3], 10.0))], 3);
    assert_eq!(values[&dx].data[..4], [0.0, 0.0, 6.0, -8.0]);
    assert!(values[&dx].data[4..].iter().all(|x| x.is_nan()));
}
