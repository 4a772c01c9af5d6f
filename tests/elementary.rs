//! Exponential, logarithm, tanh and sigmoid as compiled: relative error against f64, and the special values.

use graphc_driver::{CompileOptions, lower};
use graphc_interp::loops::{LoopInterp, Memory};
use graphc_ir::graph::{Graph, Origin};
use graphc_ir::loops::BufferKind;
use graphc_ir::ops::{Cos, Elu, Erf, Exp, Expm1, Gelu, Input, Log, Log1p, Ndtr, Op, Sigmoid, Sin, Softplus, Tanh};
use graphc_ir::{DType, Real, Shape, Tensor};
use std::f64::consts::FRAC_PI_2;

/// `op` of every value, by the loop interpreter (machine code has the same bits).
fn run(op: impl Into<Op>, values: &[f32]) -> Vec<f32> {
    let mut graph = Graph::new("elementary");
    let origin = Origin::layer("y", 0);
    let shape = Shape::batched(&[1]);
    let x = graph.add(Input { dtype: DType::F32, shape }, &[], "x", origin.clone()).expect("an input");
    let y = graph.add(op, &[x], "y", origin).expect("an elementwise op");
    graph.add_output("y", y);
    let program = lower(&graph, &CompileOptions::infer(values.len())).expect("a valid graph").program;
    let mut memory = Memory::new(&program);
    let tensor = Tensor::new(vec![values.len(), 1], values.to_vec());
    memory.set(&program, BufferKind::Input, "x", &tensor).expect("the input");
    memory.run(&LoopInterp::new(&program).expect("a valid program")).expect("in bounds");
    memory.get(&program, BufferKind::Output, "y").expect("the output").data
}

/// Largest error of `op` on `values`, relative to the exact result.
fn worst(op: impl Into<Op>, values: &[f32], exact: impl Fn(f64) -> f64) -> f64 {
    let found = run(op, values);
    let error = |(&x, &y): (&f32, &f32)| {
        let exact = exact(f64::from(x));
        ((f64::from(y) - exact) / exact).abs()
    };
    values.iter().zip(&found).map(error).fold(0.0, f64::max)
}

fn between(low: f32, high: f32, n: usize) -> Vec<f32> {
    (0..n).map(|i| low + (high - low) * (i as f32 / (n - 1) as f32)).collect()
}

#[test]
fn exp_is_accurate() {
    assert!(worst(Exp {}, &between(-87.33, 88.7, 20_001), f64::exp) < 1.5e-7);
    let special = run(Exp {}, &[0.0, -0.0, -200.0, 89.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
    assert_eq!(special[..6], [1.0, 1.0, 0.0, f32::INFINITY, f32::INFINITY, 0.0]);
    assert!(special[6].is_nan());
}

#[test]
fn log_is_accurate() {
    // Relative error loses its meaning near 1, where the logarithm is 0.
    let away_from_one: Vec<f32> =
        between(-80.0, 80.0, 20_001).into_iter().filter(|x| x.abs() > 0.01).map(f32::exp).collect();
    assert!(worst(Log {}, &away_from_one, f64::ln) < 2e-7);
    let near_one = between(0.99, 1.01, 1001);
    for (x, y) in near_one.iter().zip(run(Log {}, &near_one)) {
        assert!((f64::from(y) - f64::from(*x).ln()).abs() < 1e-9, "log({x}) = {y}");
    }
    let special = run(Log {}, &[0.0, 1.0, -1.0, f32::INFINITY, f32::NAN, f32::MIN_POSITIVE / 64.0]);
    assert_eq!(special[..2], [f32::NEG_INFINITY, 0.0]);
    assert!(special[2].is_nan() && special[3] == f32::INFINITY && special[4].is_nan());
    // Subnormal numbers count as zero; the next one is normal.
    assert_eq!(special[5], f32::NEG_INFINITY);
    let smallest = run(Log {}, &[f32::MIN_POSITIVE])[0];
    assert!((f64::from(smallest) - f64::from(f32::MIN_POSITIVE).ln()).abs() < 1e-5);
}

#[test]
fn tanh_and_sigmoid_are_accurate() {
    assert!(worst(Tanh {}, &between(-12.0, 12.0, 20_000), f64::tanh) < 3e-7);
    assert!(worst(Sigmoid {}, &between(-80.0, 80.0, 20_001), |x| 1.0 / (1.0 + (-x).exp())) < 4e-7);
    let special = run(Tanh {}, &[0.0, 100.0, -100.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
    assert_eq!(special[..5], [0.0, 1.0, -1.0, 1.0, -1.0]);
    assert!(special[5].is_nan());
    assert_eq!(run(Tanh {}, &[-0.0])[0].to_bits(), (-0.0_f32).to_bits());
}

/// Small results keep their digits: of an `elu` near 0, of a `softplus` far below 0.
#[test]
fn elu_and_softplus_are_accurate() {
    let near_zero: Vec<f32> = between(-20.0, -0.5, 2_000).into_iter().map(|x| -x.exp()).collect();
    assert!(worst(Elu { alpha: 1.0 }, &between(-80.0, -1e-3, 20_000), f64::exp_m1) < 5e-7);
    assert!(worst(Elu { alpha: 1.0 }, &near_zero, f64::exp_m1) < 5e-7);
    assert!(worst(Softplus {}, &between(-80.0, 80.0, 20_001), |x| x.max(0.0) + (-x.abs()).exp().ln_1p()) < 5e-7);
    let special = run(Softplus {}, &[f32::INFINITY, f32::NEG_INFINITY, -200.0, 200.0, f32::NAN]);
    assert_eq!(special[..4], [f32::INFINITY, 0.0, 0.0, 200.0]);
    assert!(special[4].is_nan());
}

#[test]
fn erf_is_accurate() {
    let near_zero: Vec<f32> = between(-60.0, 0.0, 2_000).into_iter().map(f32::exp).collect();
    assert!(worst(Erf {}, &between(-5.0, 5.0, 20_000), Real::erf) < 1.5e-7);
    assert!(worst(Erf {}, &near_zero, Real::erf) < 1.5e-7);
    let special = run(Erf {}, &[0.0, 6.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
    assert_eq!(special[..4], [0.0, 1.0, 1.0, -1.0]);
    assert!(special[4].is_nan());
    assert_eq!(run(Erf {}, &[-0.0])[0].to_bits(), (-0.0_f32).to_bits());
}

/// Small shares of a distribution keep their digits, and so do small results of `gelu`.
#[test]
fn ndtr_and_gelu_are_accurate() {
    let numbers = between(-12.9, 12.9, 40_000);
    assert!(worst(Ndtr {}, &numbers, Real::ndtr) < 4e-7);
    assert!(worst(Gelu { approximate: false }, &numbers, |x| x * x.ndtr()) < 5e-7);
    let approximate = |x: f64| x / (1.0 + (-1.595_769_121_605_730_8 * (x + 0.044_715 * x.powi(3))).exp());
    // Rounding what `exp` is of costs digits where the result is tiny.
    assert!(worst(Gelu { approximate: true }, &between(-3.0, 9.0, 20_000), approximate) < 1e-6);
    let special = run(Ndtr {}, &[0.0, -0.0, -14.0, f32::NEG_INFINITY, 9.0, f32::INFINITY, f32::NAN]);
    assert_eq!(special[..6], [0.5, 0.5, 0.0, 0.0, 1.0, 1.0]);
    assert!(special[6].is_nan());
    for approximate in [false, true] {
        let special = run(Gelu { approximate }, &[0.0, -100.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
        assert_eq!(special[..3], [0.0, 0.0, f32::INFINITY]);
        assert!(special[3..].iter().all(|y| y.is_nan()));
    }
}

#[test]
fn sin_and_cos_are_accurate() {
    for end in [1.0, 10.0, 1e4, 1e6] {
        let angles = between(-end, end, 20_000);
        assert!(worst(Sin {}, &angles, f64::sin) < 2e-7);
        assert!(worst(Cos {}, &angles, f64::cos) < 2e-7);
    }
    // The numbers nearest to multiples of a quarter, where the result is small.
    let quarters: Vec<f32> = (1..600_000).step_by(31).map(|n| (f64::from(n) * FRAC_PI_2) as f32).collect();
    assert!(worst(Sin {}, &quarters, f64::sin) < 2e-7);
    assert!(worst(Cos {}, &quarters, f64::cos) < 2e-7);
    let great = between(1e6, 1e7, 20_000);
    for (x, y) in great.iter().zip(run(Sin {}, &great)) {
        assert!((f64::from(y) - f64::from(*x).sin()).abs() < 1e-5, "sin({x}) = {y}");
    }
    assert!(run(Cos {}, &between(1e8, 3e38, 1000)).iter().all(|y| y.abs() <= 1.0));
}

#[test]
fn expm1_and_log1p_are_accurate() {
    let small: Vec<f32> = between(-60.0, -1.0, 5_000).into_iter().map(f32::exp).collect();
    let negative: Vec<f32> = small.iter().map(|x| -x).collect();
    for numbers in [&between(-20.0, 88.7, 20_001), &small, &negative] {
        assert!(worst(Expm1 {}, numbers, f64::exp_m1) < 2e-7);
    }
    let large: Vec<f32> = between(-1.0, 88.7, 20_000).into_iter().map(f32::exp).collect();
    let near_minus_one: Vec<f32> = (1..1000).map(|n| -1.0 + n as f32 * f32::EPSILON / 2.0).collect();
    for numbers in [&large, &small, &negative, &near_minus_one, &between(-0.9, -0.1, 1_001), &between(0.1, 9.0, 9_001)]
    {
        assert!(worst(Log1p {}, numbers, f64::ln_1p) < 2e-7);
    }
    assert_eq!(run(Expm1 {}, &[-100.0, 89.0]), [-1.0, f32::INFINITY]);
    assert!(run(Log1p {}, &[-1.5])[0].is_nan());
}
