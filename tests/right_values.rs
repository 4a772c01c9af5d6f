//! What NaN, infinity and zero give, on every engine: values from NumPy in float64, which PyTorch, JAX and Keras agree
//! with unless a case says otherwise. Most were reported as bugs of other programs.

mod functions;

use crate::common::engines::{OTHER_ISAS, compare_isas, run_both, text};
use graphc_driver::{CompileOptions, compile};
use graphc_interp::graph::{Evaluation, run};
use graphc_ir::loops::BufferKind;
use graphc_ir::{Real, Tensor};
use std::collections::BTreeMap;
use std::path::Path;

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

/// Nodes, loss and inputs of a graph file, and what its step is given.
struct Case<'a> {
    /// Inputs and parameters, each with its shape, without the batch for inputs that the file declares.
    inputs: &'a str,
    nodes: &'a str,
    loss: &'a str,
    batch: usize,
    /// Shape and elements of inputs and parameters.
    bindings: &'a [(&'a str, &'a [usize], &'a [f64])],
}

/// Outputs of a step by engine: machine code (the same for every ISA) and the loop interpreter, both graph
/// interpreters.
type ByEngine = Vec<(&'static str, BTreeMap<String, Tensor<f64>>)>;

impl Case<'_> {
    fn results(&self, is_training: bool) -> ByEngine {
        let file = format!(
            r#"{{ "graphc": 1, "name": "case", "inputs": {{ {} }}, "nodes": [ {} ], "loss": {{ {} }} }}"#,
            self.inputs, self.nodes, self.loss
        );
        let experiment = graphc_frontend::parse(&file, Path::new("case.graph.json"))
            .unwrap_or_else(|diagnostics| panic!("{}", diagnostics.render(false)));
        let tensors: BTreeMap<String, Tensor<f32>> = self
            .bindings
            .iter()
            .map(|&(name, shape, values)| {
                (name.to_string(), Tensor::new(shape.to_vec(), values.iter().map(|&value| value as f32).collect()))
            })
            .collect();
        let options = match is_training {
            true => CompileOptions { gradients: true, update: false, ..CompileOptions::train(self.batch) },
            false => CompileOptions::infer(self.batch),
        };
        let compiled = compile(&experiment.graph, &options).expect("the case compiles");
        // All machine code and the loop interpreter agree, or these fail.
        let (lowered, memory) = run_both(compiled, &tensors).expect("machine code and loops agree");
        compare_isas(&experiment.graph, &options, &OTHER_ISAS, &tensors, &memory).expect("ISAs agree");
        let program = &lowered.program;
        let outputs = program.buffers.iter().filter(|buffer| buffer.kind == BufferKind::Output);
        let values = outputs.map(|buffer| {
            let value = memory.get(program, BufferKind::Output, &buffer.name).map_err(text);
            (buffer.name.clone(), value.expect("an output").cast())
        });
        vec![
            ("machine code and loops", values.collect()),
            ("graph-f32", interpreted::<f32>(&lowered.backward, &tensors)),
            ("graph-f64", interpreted::<f64>(&lowered.backward, &tensors)),
        ]
    }

    /// Fails unless output `name` is `expected` on every engine: NaN for NaN, else within 1e-5, with the sign of zero.
    #[track_caller]
    fn gives(&self, is_training: bool, name: &str, expected: &[f64]) {
        for (engine, outputs) in self.results(is_training) {
            let Some(found) = outputs.get(name) else { panic!("no output {name} among {:?}", outputs.keys()) };
            let is_right = |(&found, &expected): (&f64, &f64)| {
                let is_close = (found - expected).abs() <= 1e-5 * expected.abs().max(1e-3);
                let is_equal = found == expected && found.is_sign_negative() == expected.is_sign_negative();
                if expected.is_nan() { found.is_nan() } else { is_equal || (expected != 0.0 && is_close) }
            };
            let is_equal = found.data.len() == expected.len() && found.data.iter().zip(expected).all(is_right);
            assert!(is_equal, "{name} in {engine}: {:?}, expected {expected:?}", found.data);
        }
    }
}

fn interpreted<R: Real>(
    graph: &graphc_ir::Graph,
    tensors: &BTreeMap<String, Tensor<f32>>,
) -> BTreeMap<String, Tensor<f64>> {
    let bindings: BTreeMap<String, Tensor<R>> = tensors.iter().map(|(name, t)| (name.clone(), t.cast())).collect();
    let evaluation: Evaluation<R> = run(graph, &bindings).expect("the case evaluates");
    evaluation.outputs.into_iter().map(|(name, value)| (name, value.cast())).collect()
}

/// One elementwise or reducing node `y` of `x`, with a squared error so that there are gradients.
fn of_x<'a>(
    inputs: &'a str,
    nodes: &'a str,
    batch: usize,
    bindings: &'a [(&'a str, &'a [usize], &'a [f64])],
) -> Case<'a> {
    Case { inputs, nodes, loss: r#""op": "mean_squared_error", "prediction": "y", "target": "t""#, batch, bindings }
}

#[test]
fn relu_passes_nan() {
    let x = [NAN, 1.0, -1.0, 2.0, INF, -INF, -0.0, 0.0, NAN];
    let bindings: [(&str, &[usize], &[f64]); 2] = [("x", &[3, 3], &x), ("t", &[3, 3], &[0.0; 9])];
    let inputs = r#""x": { "shape": ["N", 3] }, "t": { "shape": ["N", 3] }"#;
    let case = of_x(inputs, r#"{ "name": "y", "op": "relu", "inputs": "x" }"#, 3, &bindings);
    case.gives(false, "y", &[NAN, 1.0, 0.0, 2.0, INF, 0.0, 0.0, 0.0, NAN]);
}

#[test]
fn the_gradient_of_relu_passes_at_nan() {
    // y = relu(x + b), loss = mean((y - t)^2); the gradient at NaN is that of y (PyTorch's threshold_backward).
    let bindings: [(&str, &[usize], &[f64]); 3] =
        [("x", &[1, 3], &[NAN, 1.0, -1.0]), ("t", &[1, 3], &[0.0; 3]), ("y.bias", &[3], &[0.0; 3])];
    let kernel: [(&str, &[usize], &[f64]); 1] = [("y.kernel", &[3, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0])];
    let bindings = [&bindings[..], &kernel].concat();
    let inputs = r#""x": { "shape": ["N", 3] }, "t": { "shape": ["N", 3] }"#;
    let nodes = r#"{ "name": "y", "op": "dense", "units": 3, "activation": "relu", "inputs": "x" }"#;
    // NaN times 0 of the identity kernel is NaN in every column.
    of_x(inputs, nodes, 1, &bindings).gives(true, "grad.y.bias", &[NAN, NAN, NAN]);
    let finite = [("x", &[1, 3][..], &[2.0, 1.0, -1.0][..])];
    let bindings = [&finite[..], &bindings[1..]].concat();
    of_x(inputs, nodes, 1, &bindings).gives(true, "grad.y.bias", &[4.0 / 3.0, 2.0 / 3.0, 0.0]);
}

#[test]
fn maxima_pass_nan() {
    let x = [1.0, NAN, 5.0, 6.0, NAN, NAN, NAN, NAN, -INF, -INF, -INF, -INF, 3.0, -0.0, 7.0, 2.0];
    let bindings: [(&str, &[usize], &[f64]); 2] = [("x", &[4, 4], &x), ("t", &[4], &[0.0; 4])];
    let inputs = r#""x": { "shape": ["N", 4] }, "t": { "shape": ["N"] }"#;
    let case = of_x(inputs, r#"{ "name": "y", "op": "reduce_max", "inputs": "x", "axes": [1] }"#, 4, &bindings);
    case.gives(false, "y", &[NAN, NAN, -INF, 7.0]);
    // Over the batch: chunks, lanes and groups are joined.
    for (batch, nan_at) in [(5, 3), (16, 0), (17, 16), (40, 21), (300, 150)] {
        let mut x: Vec<f64> = (0..batch).map(|i| i as f64).collect();
        x[nan_at] = NAN;
        let shape = [batch, 1];
        let zeros = vec![0.0; batch];
        let case = Case {
            inputs: r#""x": { "shape": ["N", 1] }, "w": { "shape": ["N", 1] }"#,
            nodes: r#"{ "name": "y", "op": "reduce_max", "inputs": "x", "axes": [0] }, { "name": "z", "op": "neg", "inputs": "w" }"#,
            loss: r#""op": "mean_squared_error", "prediction": "z", "target": "x""#,
            batch,
            bindings: &[("x", &shape, &x), ("w", &shape, &zeros)],
        };
        case.gives(false, "y", &[NAN]);
    }
}

#[test]
fn max_pooling_passes_nan() {
    let x = [1.0, 2.0, NAN, 4.0, NAN, NAN, 5.0, 6.0, 0.5, 3.0, 1.0, 2.0, NAN, NAN, -INF, 7.0];
    let bindings: [(&str, &[usize], &[f64]); 2] = [("x", &[1, 2, 8, 1], &x), ("t", &[1, 1, 4, 1], &[0.0; 4])];
    let inputs = r#""x": { "shape": ["N", 2, 8, 1] }, "t": { "shape": ["N", 1, 4, 1] }"#;
    let case = of_x(inputs, r#"{ "name": "y", "op": "max_pool2d", "inputs": "x", "pool": 2 }"#, 1, &bindings);
    case.gives(false, "y", &[3.0, NAN, NAN, 7.0]);
}

#[test]
fn the_gradient_of_max_pooling_goes_to_the_last_nan_or_the_first_maximum() {
    // PyTorch's rule; y = pool(w * x) with w = 1. The third window lies partly in the padding and is all minus
    // infinity.
    let x = [NAN, NAN, 3.0, 3.0, -INF, -INF];
    let bindings: [(&str, &[usize], &[f64]); 3] =
        [("x", &[1, 1, 6, 1], &x), ("t", &[1, 1, 3, 1], &[0.0; 3]), ("w.kernel", &[1, 1, 1, 1], &[1.0])];
    let inputs = r#""x": { "shape": ["N", 1, 6, 1] }, "t": { "shape": ["N", 1, 3, 1] }"#;
    let nodes = r#"{ "name": "w", "op": "conv2d", "filters": 1, "kernel": 1, "use_bias": false, "inputs": "x" },
        { "name": "y", "op": "max_pool2d", "pool": [1, 2] }"#;
    of_x(inputs, nodes, 1, &bindings).gives(false, "y", &[NAN, 3.0, -INF]);
}

#[test]
fn argmax_finds_the_first_nan() {
    let x = [1.0, NAN, 5.0, NAN, NAN, 6.0, 7.0, 8.0, -INF, -INF, -INF, -INF, 1.0, 9.0, 9.0, 2.0];
    let bindings: [(&str, &[usize], &[f64]); 2] = [("x", &[4, 4], &x), ("t", &[4, 4], &[0.0; 16])];
    let inputs = r#""x": { "shape": ["N", 4] }, "t": { "shape": ["N", 4] }"#;
    let nodes =
        r#"{ "name": "a", "op": "argmax", "inputs": "x", "axis": 1 }, { "name": "y", "op": "neg", "inputs": "x" }"#;
    of_x(inputs, nodes, 4, &bindings).gives(false, "a", &[1.0, 0.0, 0.0, 1.0]);
}

/// Labels, inputs and parameters of a classifier with three classes.
fn classified<'a>(nodes: &'a str, batch: usize, bindings: &'a [(&'a str, &'a [usize], &'a [f64])]) -> Case<'a> {
    let n_features = bindings[0].1[1];
    let inputs = match n_features {
        2 => r#""x": { "shape": ["N", 2] }, "label": { "shape": ["N"], "dtype": "i32" }"#,
        _ => r#""x": { "shape": ["N", 3] }, "label": { "shape": ["N"], "dtype": "i32" }"#,
    };
    let loss = r#""op": "categorical_crossentropy", "prediction": "p", "target": "label""#;
    Case { inputs, nodes, loss, batch, bindings }
}

const IDENTITY: [f64; 9] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];

#[test]
fn a_masked_class_costs_nothing() {
    let nodes = r#"{ "name": "p", "op": "dense", "inputs": "x", "units": 3, "activation": "softmax" }"#;
    for batch in [1, 2, 7, 8, 9, 16, 17] {
        let (x_shape, x) = ([batch, 2], vec![1.0; 2 * batch]);
        let (label_shape, label) = ([batch], (0..batch).map(|i| (i % 2) as f64).collect::<Vec<_>>());
        let bindings: [(&str, &[usize], &[f64]); 4] = [
            ("x", &x_shape, &x),
            ("label", &label_shape, &label),
            ("p.kernel", &[2, 3], &[0.0; 6]),
            ("p.bias", &[3], &[0.0, 0.0, -INF]),
        ];
        let case = classified(nodes, batch, &bindings);
        case.gives(true, "loss", &[2.0_f64.ln()]);
        let ones = label.iter().sum::<f64>() / batch as f64;
        case.gives(true, "grad.p.bias", &[0.5 - (1.0 - ones), 0.5 - ones, 0.0]);
    }
}

#[test]
fn logits_far_apart() {
    let nodes = r#"{ "name": "p", "op": "softmax", "inputs": "x" }"#;
    let minus_inf = [-INF, 0.0, 1.0];
    let bindings: [(&str, &[usize], &[f64]); 2] = [("x", &[1, 3], &minus_inf), ("label", &[1], &[1.0])];
    classified(nodes, 1, &bindings).gives(true, "loss", &[1.313_261_687_518_222_8]);
    let huge = [3e38, -3e38, 0.0];
    let bindings: [(&str, &[usize], &[f64]); 2] = [("x", &[1, 3], &huge), ("label", &[1], &[0.0])];
    classified(nodes, 1, &bindings).gives(true, "loss", &[0.0]);
}

#[test]
fn probabilities_of_zero() {
    let nodes = r#"{ "name": "p", "op": "relu", "inputs": "x" }"#;
    let x = [0.0, 1.0, 0.0, 0.25, 0.75, 0.0];
    let bindings: [(&str, &[usize], &[f64]); 2] = [("x", &[2, 3], &x), ("label", &[2], &[1.0, 1.0])];
    classified(nodes, 2, &bindings).gives(true, "loss", &[0.143_841_036_225_890_2]);
    // The gradient of a class that is not the label's is 0, not 0 / 0.
    let nodes = r#"{ "name": "p", "op": "dense", "inputs": "x", "units": 3, "activation": "relu" }"#;
    let bindings: [(&str, &[usize], &[f64]); 4] = [
        ("x", &[1, 3], &[0.0, 0.5, 0.5]),
        ("label", &[1], &[1.0]),
        ("p.kernel", &[3, 3], &IDENTITY),
        ("p.bias", &[3], &[0.0; 3]),
    ];
    let case = classified(nodes, 1, &bindings);
    case.gives(true, "loss", &[2.0_f64.ln()]);
    case.gives(true, "grad.p.bias", &[0.0, -2.0, 0.0]);
}

#[test]
fn a_normalised_relu() {
    let nodes = r#"{ "name": "h", "op": "dense", "inputs": "x", "units": 3, "activation": "relu" },
        { "name": "l", "op": "log" }, { "name": "p", "op": "softmax" }"#;
    let bindings: [(&str, &[usize], &[f64]); 4] = [
        ("x", &[1, 3], &[3.0, 1.0, -2.0]),
        ("label", &[1], &[0.0]),
        ("h.kernel", &[3, 3], &IDENTITY),
        ("h.bias", &[3], &[0.0; 3]),
    ];
    let case = classified(nodes, 1, &bindings);
    case.gives(true, "loss", &[0.287_682_072_451_780_9]);
    case.gives(true, "grad.h.bias", &[-0.25 / 3.0, 0.25, 0.0]);
}

#[test]
fn saturated_sigmoids() {
    let nodes = r#"{ "name": "p", "op": "dense", "inputs": "x", "units": 3, "activation": "sigmoid" }"#;
    let bindings = |x: &'static [f64]| -> [(&'static str, &'static [usize], &'static [f64]); 4] {
        [
            ("x", &[1, 3], x),
            ("label", &[1], &[0.0]),
            ("p.kernel", &[3, 3], &IDENTITY),
            ("p.bias", &[3], &[0.0, 0.0, 0.0]),
        ]
    };
    let case_bindings = bindings(&[0.5, -90.0, 1.0]);
    let case = classified(nodes, 1, &case_bindings);
    case.gives(true, "loss", &[0.474_076_984_180_106_7]);
    case.gives(true, "grad.p.bias", &[-0.377_540_668_798_145_4, 0.0, 0.0]);
    // The label's own class: log(sigmoid(-90)) is -90, though sigmoid(-90) is no normal f32.
    let case_bindings = bindings(&[-90.0, 0.5, 1.0]);
    let case = classified(nodes, 1, &case_bindings);
    case.gives(true, "loss", &[90.0]);
    case.gives(true, "grad.p.bias", &[-1.0, 0.0, 0.0]);
    let case_bindings = bindings(&[-1000.0, 0.5, 1.0]);
    let case = classified(nodes, 1, &case_bindings);
    case.gives(true, "loss", &[1000.0]);
    case.gives(true, "grad.p.bias", &[-1.0, 0.0, 0.0]);
}

#[test]
fn a_label_that_is_no_class_is_not_hidden() {
    let nodes = r#"{ "name": "p", "op": "softmax", "inputs": "x" }"#;
    for label in [-1.0, 3.0] {
        let labels = [label];
        let bindings: [(&str, &[usize], &[f64]); 2] = [("x", &[1, 3], &[0.0, 1.0, 2.0]), ("label", &[1], &labels)];
        classified(nodes, 1, &bindings).gives(true, "loss", &[NAN]);
    }
}

#[test]
fn a_layer_norm_keeps_to_its_sample() {
    // Equal numbers have a variance of 0; NaN and infinity reach their own sample alone.
    let x = [2.0, 2.0, 2.0, 2.0, 1.0, NAN, 2.0, 3.0, 1.0, INF, 2.0, 3.0, -3.0, -1.0, 1.0, 3.0];
    let inputs = r#""x": { "shape": ["N", 4] }, "t": { "shape": ["N", 4] }"#;
    let bindings: [(&str, &[usize], &[f64]); 4] = [
        ("x", &[4, 4], &x),
        ("t", &[4, 4], &[0.0; 16]),
        ("y.gamma", &[4], &[1.0, 2.0, 1.0, 1.0]),
        ("y.beta", &[4], &[0.5, 0.0, -1.0, 0.25]),
    ];
    let unit = 1.0 / (5.0_f64 + 1e-3).sqrt();
    let last = [0.5 - 3.0 * unit, -2.0 * unit, unit - 1.0, 0.25 + 3.0 * unit];
    let expected = [&[0.5, 0.0, -1.0, 0.25], &[NAN; 8][..], &last].concat();
    of_x(inputs, r#"{ "name": "y", "op": "layer_norm", "inputs": "x" }"#, 4, &bindings).gives(false, "y", &expected);
}

#[test]
fn a_bias_before_batch_norm_hides_nothing() {
    let inputs = r#""x": { "shape": ["N", 1, 1, 1] }, "t": { "shape": ["N", 1, 1, 1] }"#;
    let nodes = r#"{ "name": "c", "op": "conv2d", "inputs": "x", "filters": 1, "kernel": 1 },
        { "name": "y", "op": "batch_norm" }"#;
    for (bias, is_finite) in [(INF, false), (-INF, false), (NAN, false), (3.0, true)] {
        let bias = [bias];
        let bindings: [(&str, &[usize], &[f64]); 8] = [
            ("x", &[4, 1, 1, 1], &[1.0, 2.0, 3.0, 4.0]),
            ("t", &[4, 1, 1, 1], &[0.0; 4]),
            ("c.kernel", &[1, 1, 1, 1], &[1.0]),
            ("c.bias", &[1], &bias),
            ("y.gamma", &[1], &[1.0]),
            ("y.beta", &[1], &[0.0]),
            ("y.moving_mean", &[1], &[0.0]),
            ("y.moving_variance", &[1], &[1.0]),
        ];
        let case = of_x(inputs, nodes, 4, &bindings);
        let deviation = (1.25_f64 + 1e-3).sqrt();
        let normalised = [-1.5, -0.5, 0.5, 1.5].map(|x| if is_finite { x / deviation } else { NAN });
        case.gives(true, "y", &normalised);
        // Exactly 0, not rounding, by definition even where there is none; the kernel's shows what happened.
        case.gives(true, "grad.c.bias", &[0.0]);
        if !is_finite {
            case.gives(true, "grad.c.kernel", &[NAN]);
        }
    }
}

#[test]
fn a_beta_before_a_convolution_and_batch_norm_hides_nothing() {
    let inputs = r#""x": { "shape": ["N", 2] }, "t": { "shape": ["N", 1, 1, 1] }"#;
    let nodes = r#"{ "name": "image", "op": "reshape", "inputs": "x", "shape": ["N", 1, 1, 2] },
        { "name": "a", "op": "batch_norm" },
        { "name": "c", "op": "conv2d", "filters": 1, "kernel": 1 }, { "name": "y", "op": "batch_norm" }"#;
    for (beta, is_finite) in [(INF, false), (NAN, false), (3.0, true)] {
        let beta = [beta, 1.0];
        let bindings: [(&str, &[usize], &[f64]); 12] = [
            ("x", &[4, 2], &[1.0, 5.0, 2.0, 7.0, 3.0, 6.0, 4.0, 8.0]),
            ("t", &[4, 1, 1, 1], &[0.0; 4]),
            ("a.gamma", &[2], &[1.0, 1.0]),
            ("a.beta", &[2], &beta),
            ("a.moving_mean", &[2], &[0.0, 0.0]),
            ("a.moving_variance", &[2], &[1.0, 1.0]),
            ("c.kernel", &[1, 1, 2, 1], &[1.0, 0.0]),
            ("c.bias", &[1], &[0.5]),
            ("y.gamma", &[1], &[1.0]),
            ("y.beta", &[1], &[0.0]),
            ("y.moving_mean", &[1], &[0.0]),
            ("y.moving_variance", &[1], &[1.0]),
        ];
        let case = of_x(inputs, nodes, 4, &bindings);
        for (engine, outputs) in case.results(true) {
            let y = &outputs["y"].data;
            assert!(y.iter().all(|y| y.is_finite() == is_finite), "beta {beta:?} in {engine}: {y:?}");
        }
    }
}

#[test]
fn zeros_keep_their_sign() {
    let inputs = r#""x": { "shape": ["N", 3] }, "t": { "shape": ["N", 3] }"#;
    let nodes = r#"{ "name": "z", "op": "constant", "value": 0.0 }, { "name": "one", "op": "constant", "value": 1.0 },
        { "name": "a", "op": "sub", "inputs": ["z", "x"] }, { "name": "r", "op": "div", "inputs": ["one", "a"] },
        { "name": "b", "op": "add", "inputs": ["x", "z"] }, { "name": "q", "op": "div", "inputs": ["one", "b"] },
        { "name": "d", "op": "sub", "inputs": ["x", "x"] }, { "name": "e", "op": "neg", "inputs": "d" },
        { "name": "f", "op": "sub", "inputs": ["x", "z"] },
        { "name": "y", "op": "neg", "inputs": "x" }"#;
    let bindings: [(&str, &[usize], &[f64]); 2] = [("x", &[1, 3], &[0.0, -0.0, 1.0]), ("t", &[1, 3], &[0.0; 3])];
    for is_training in [false, true] {
        let case = of_x(inputs, nodes, 1, &bindings);
        case.gives(is_training, "r", &[INF, INF, -1.0]);
        case.gives(is_training, "q", &[INF, INF, 1.0]);
        case.gives(is_training, "y", &[-0.0, 0.0, -1.0]);
        case.gives(is_training, "e", &[-0.0, -0.0, -0.0]);
        case.gives(is_training, "f", &[0.0, -0.0, 1.0]);
    }
}

#[test]
fn exp_and_tanh_at_their_borders() {
    let x = [-87.33, -87.3, -87.1, -87.0, -86.9, -200.0, 88.72, 88.9];
    let inputs = r#""x": { "shape": ["N", 1] }, "t": { "shape": ["N", 1] }"#;
    let bindings: [(&str, &[usize], &[f64]); 2] = [("x", &[8, 1], &x), ("t", &[8, 1], &[0.0; 8])];
    let expected = x.map(|x| {
        let y = f64::from(x as f32).exp();
        (y, if y > f64::from(f32::MAX) { INF } else { y })
    });
    let case = of_x(inputs, r#"{ "name": "y", "op": "exp", "inputs": "x" }"#, 8, &bindings);
    for (engine, outputs) in case.results(false) {
        for (found, (exact, single)) in outputs["y"].data.iter().zip(expected) {
            let expected = if engine == "graph-f64" { exact } else { single };
            let is_right = (found - expected).abs() <= 1e-6 * expected || *found == expected;
            assert!(is_right || (exact < 1e-38 && *found == 0.0), "{engine}: {found:e}, expected {expected:e}");
        }
    }
    let bindings: [(&str, &[usize], &[f64]); 2] = [("x", &[4, 1], &[-0.0, 0.0, -INF, NAN]), ("t", &[4, 1], &[0.0; 4])];
    let case = of_x(inputs, r#"{ "name": "y", "op": "tanh", "inputs": "x" }"#, 4, &bindings);
    case.gives(false, "y", &[-0.0, 0.0, -1.0, NAN]);
}

#[test]
fn folded_factors_hide_no_overflow() {
    let inputs = r#""x": { "shape": ["N", 1] }, "t": { "shape": ["N", 1] }"#;
    let nodes = r#"{ "name": "big", "op": "constant", "value": 1e30 }, { "name": "small", "op": "constant", "value": 1e-30 },
        { "name": "a", "op": "mul", "inputs": ["x", "big"] }, { "name": "y", "op": "mul", "inputs": ["a", "small"] }"#;
    let bindings: [(&str, &[usize], &[f64]); 2] = [("x", &[1, 1], &[1e20]), ("t", &[1, 1], &[0.0])];
    let case = of_x(inputs, nodes, 1, &bindings);
    for (engine, outputs) in case.results(false) {
        let expected = if engine == "graph-f64" { 1e20 } else { INF };
        let found = outputs["y"].data[0];
        assert!(found == expected || (found / expected - 1.0).abs() < 1e-6, "{engine}: {found:e}");
    }
}

/// Three numbers through a dense layer of the identity, compared with three others by `loss`.
fn compared<'a>(activation: &str, loss: &str, x: &'a [f64], target: &'a [f64], check: impl FnOnce(&Case<'_>)) {
    let nodes = format!(r#"{{ "name": "p", "op": "dense", "inputs": "x", "units": 3{activation} }}"#);
    let loss = format!(r#"{loss}, "prediction": "p", "target": "t""#);
    let bindings: [(&str, &[usize], &[f64]); 4] =
        [("x", &[1, 3], x), ("t", &[1, 3], target), ("p.kernel", &[3, 3], &IDENTITY), ("p.bias", &[3], &[0.0; 3])];
    let inputs = r#""x": { "shape": ["N", 3] }, "t": { "shape": ["N", 3] }"#;
    check(&Case { inputs, nodes: &nodes, loss: &loss, batch: 1, bindings: &bindings });
}

const SIGMOID: &str = r#", "activation": "sigmoid""#;
const BINARY: &str = r#""op": "binary_crossentropy""#;

#[test]
fn binary_crossentropy_of_saturated_sigmoids() {
    // Right: nothing is lost and nothing to be done.
    compared(SIGMOID, BINARY, &[200.0, -200.0, 0.5], &[1.0, 0.0, 1.0], |case| {
        case.gives(true, "loss", &[0.474_076_984_180_106_7 / 3.0]);
        case.gives(true, "grad.p.bias", &[-1e-87, 1e-87, -0.377_540_668_798_145_4 / 3.0]);
    });
    // Wrong: the logit itself, and the whole difference; shares of both.
    compared(SIGMOID, BINARY, &[90.0, -90.0, -1e4], &[0.0, 1.0, 0.25], |case| {
        case.gives(true, "loss", &[(90.0 + 90.0 + 2500.0) / 3.0]);
        case.gives(true, "grad.p.bias", &[1.0 / 3.0, -1.0 / 3.0, -0.25 / 3.0]);
    });
    // PyTorch's binary_cross_entropy_with_logits has 0 * inf here.
    let inputs = r#""x": { "shape": ["N"] }, "t": { "shape": ["N"] }"#;
    let nodes = r#"{ "name": "p", "op": "sigmoid", "inputs": "x" }"#;
    let loss = r#""op": "binary_crossentropy", "prediction": "p", "target": "t""#;
    for (x, t, expected) in [(INF, 1.0, 0.0), (-INF, 0.0, 0.0), (INF, 0.0, INF), (-INF, 1.0, INF), (NAN, 1.0, NAN)] {
        let (x, t) = ([x, 0.0], [t, 1.0]);
        let bindings: [(&str, &[usize], &[f64]); 2] = [("x", &[2], &x), ("t", &[2], &t)];
        let mean = (expected + 2.0_f64.ln()) / 2.0;
        Case { inputs, nodes, loss, batch: 2, bindings: &bindings }.gives(true, "loss", &[mean]);
    }
}

#[test]
fn binary_crossentropy_of_probabilities_of_zero_and_one() {
    compared(r#", "activation": "relu""#, BINARY, &[0.0, 1.0, 0.25], &[0.0, 1.0, 1.0], |case| {
        case.gives(true, "loss", &[4.0_f64.ln() / 3.0]);
        case.gives(true, "grad.p.bias", &[0.0, -1.0 / 3.0, -4.0 / 3.0]);
    });
    compared(r#", "activation": "relu""#, BINARY, &[0.5, 1.0, 0.0], &[1.0, 0.0, 0.0], |case| {
        case.gives(true, "loss", &[INF]);
    });
}

#[test]
fn shares_of_the_classes() {
    let inputs = r#""x": { "shape": ["N", 3] }, "t": { "shape": ["N", 3] }"#;
    let nodes = r#"{ "name": "p", "op": "dense", "inputs": "x", "units": 3, "activation": "softmax" }"#;
    let loss = r#""op": "categorical_crossentropy", "prediction": "p", "target": "t""#;
    let bindings = |bias: &'static [f64],
                    target: &'static [f64]|
     -> [(&'static str, &'static [usize], &'static [f64]); 4] {
        [("x", &[1, 3], &[0.0; 3]), ("t", &[1, 3], target), ("p.kernel", &[3, 3], &IDENTITY), ("p.bias", &[3], bias)]
    };
    // A class that is masked out and not expected costs nothing; log(2) for the two others.
    let bindings_1 = bindings(&[0.0, 0.0, -INF], &[0.75, 0.25, 0.0]);
    let case = Case { inputs, nodes, loss, batch: 1, bindings: &bindings_1 };
    case.gives(true, "loss", &[2.0_f64.ln()]);
    case.gives(true, "grad.p.bias", &[-0.25, 0.25, 0.0]);
    // Saturated: the probability of the expected class is no f32.
    let bindings_2 = bindings(&[200.0, 0.0, -200.0], &[0.0, 0.5, 0.5]);
    let case = Case { inputs, nodes, loss, batch: 1, bindings: &bindings_2 };
    case.gives(true, "loss", &[300.0]);
    case.gives(true, "grad.p.bias", &[1.0, -0.5, -0.5]);
    // Shares that add up to another number than 1, as PyTorch counts them.
    let bindings_3 = bindings(&[0.0, 0.0, 0.0], &[1.0, 1.0, 0.0]);
    let case = Case { inputs, nodes, loss, batch: 1, bindings: &bindings_3 };
    case.gives(true, "loss", &[2.0 * 3.0_f64.ln()]);
    case.gives(true, "grad.p.bias", &[2.0 / 3.0 - 1.0, 2.0 / 3.0 - 1.0, 2.0 / 3.0]);
    // One that is 0 in a product of probabilities that are not of a softmax.
    let nodes = r#"{ "name": "p", "op": "relu", "inputs": "x" }"#;
    let bindings_4: [(&str, &[usize], &[f64]); 2] =
        [("x", &[1, 3], &[0.0, 0.5, 0.5]), ("t", &[1, 3], &[0.0, 1.0, 0.0])];
    Case { inputs, nodes, loss, batch: 1, bindings: &bindings_4 }.gives(true, "loss", &[2.0_f64.ln()]);
}

#[test]
fn weights_of_samples() {
    let inputs = r#""x": { "shape": ["N", 3] }, "label": { "shape": ["N"], "dtype": "i32" }, "w": { "shape": ["N"] }"#;
    let nodes = r#"{ "name": "p", "op": "dense", "inputs": "x", "units": 3, "activation": "softmax" }"#;
    let loss = r#""op": "categorical_crossentropy", "prediction": "p", "target": "label", "weights": "w""#;
    // Keras: the sum of weighted losses by the size of the batch, not by the sum of the weights.
    for batch in [3, 19] {
        let x: Vec<f64> = (0..batch).flat_map(|i| [200.0 * f64::from(i % 3 == 0), 0.0, 0.0]).collect();
        let w: Vec<f64> = (0..batch).map(|i| f64::from(i % 3)).collect();
        let (x_shape, shape) = ([batch as usize, 3], [batch as usize]);
        let labels = vec![1.0; batch as usize];
        let bindings: [(&str, &[usize], &[f64]); 5] = [
            ("x", &x_shape, &x),
            ("label", &shape, &labels),
            ("w", &shape, &w),
            ("p.kernel", &[3, 3], &IDENTITY),
            ("p.bias", &[3], &[0.0, 0.0, -INF]),
        ];
        let case = Case { inputs, nodes, loss, batch: batch as usize, bindings: &bindings };
        // The third class is masked out; samples of weight 0 are those that cost 200.
        let mean = w.iter().sum::<f64>() / f64::from(batch);
        case.gives(true, "loss", &[mean * 2.0_f64.ln()]);
        case.gives(true, "grad.p.bias", &[mean / 2.0, -mean / 2.0, 0.0]);
    }
}

#[test]
fn absolute_errors() {
    compared("", r#""op": "mean_absolute_error""#, &[1.0, -2.0, 0.5], &[0.0, 0.0, 0.5], |case| {
        case.gives(true, "loss", &[1.0]);
        case.gives(true, "grad.p.bias", &[1.0 / 3.0, -1.0 / 3.0, 0.0]);
    });
    // Keras's formula at the border, inside and outside.
    compared("", r#""op": "huber", "delta": 2.0"#, &[2.0, -1.0, 1e30], &[0.0, 0.0, 0.0], |case| {
        case.gives(true, "loss", &[(2.0 + 0.5 + 2.0 * (f64::from(1e30f32) - 1.0)) / 3.0]);
        case.gives(true, "grad.p.bias", &[2.0 / 3.0, -1.0 / 3.0, 2.0 / 3.0]);
    });
    let inputs = r#""x": { "shape": ["N"] }, "t": { "shape": ["N"] }"#;
    let nodes = r#"{ "name": "p", "op": "neg", "inputs": "x" }"#;
    for loss in ["huber", "mean_absolute_error"] {
        let loss = format!(r#""op": "{loss}", "prediction": "p", "target": "t""#);
        for (x, expected) in [(INF, INF), (-INF, INF), (NAN, NAN)] {
            let x = [x, 1.0];
            let bindings: [(&str, &[usize], &[f64]); 2] = [("x", &[2], &x), ("t", &[2], &[0.0, 1.0])];
            Case { inputs, nodes, loss: &loss, batch: 2, bindings: &bindings }.gives(true, "loss", &[expected]);
        }
    }
}

#[test]
fn accuracy_of_yes_and_no() {
    let file = r#"{ "graphc": 1, "inputs": { "x": { "shape": ["N"] }, "t": { "shape": ["N"] } },
        "nodes": [ { "name": "p", "op": "relu", "inputs": "x" } ],
        "loss": { "op": "binary_crossentropy", "prediction": "p", "target": "t" }, "metrics": ["accuracy"] }"#;
    let experiment = graphc_frontend::parse(file, Path::new("case.graph.json")).expect("a sound file");
    // A half is no, NaN is wrong either way.
    let x = [0.5, 0.5, 0.75, 0.25, NAN, NAN, 1.0, 0.5000001];
    let t = [0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0];
    let tensors = BTreeMap::from([
        ("x".to_string(), Tensor::new(vec![8], x.map(|x| x as f32).to_vec())),
        ("t".to_string(), Tensor::new(vec![8], t.map(|x| x as f32).to_vec())),
    ]);
    let options = CompileOptions::infer(8);
    let compiled = compile(&experiment.graph, &options).expect("the case compiles");
    let (lowered, memory) = run_both(compiled, &tensors).expect("machine code and loops agree");
    let found = memory.get(&lowered.program, BufferKind::Output, "accuracy").expect("an output");
    assert_eq!(found.data, [3.0 / 8.0]);
}
