//! Elementary functions, and what networks make of them, beside one call of the system's scalar function an element.
//!
//! `cargo bench -p graphc-measure --bench functions` prints nanoseconds and cycles an element of both, on one thread and
//! values that the second cache holds, and how many times faster graphc is. In `cargo test` every function runs once,
//! and its results are compared.

use graphc_driver::{Session, SessionOptions};
use graphc_ir::graph::{Graph, Mode};
use std::hint::black_box;
use std::io::{self, Write};
use std::time::Instant;

const SAMPLES: usize = 64;
const FEATURES: usize = 1024;

/// A function of every element.
struct Function {
    name: &'static str,
    /// Statements of a graph behind `%0`; the last one is the result.
    graph: &'static [&'static str],
    /// The function of the system's library that it is compared with.
    libm: fn(f32) -> f32,
    /// The whole function by that.
    scalar: fn(f32) -> f32,
    exact: fn(f64) -> f64,
}

const FUNCTIONS: [Function; 8] = [
    Function { name: "exp", graph: &["exp(%0)"], libm: f32::exp, scalar: f32::exp, exact: f64::exp },
    Function {
        name: "log(x^2)",
        graph: &["square(%0)", "log(%1)"],
        libm: f32::ln,
        scalar: |x| (x * x).ln(),
        exact: |x| (x * x).ln(),
    },
    Function { name: "tanh", graph: &["tanh(%0)"], libm: f32::tanh, scalar: f32::tanh, exact: f64::tanh },
    Function { name: "sigmoid", graph: &["sigmoid(%0)"], libm: f32::exp, scalar: sigmoid, exact: exact_sigmoid },
    Function {
        name: "silu",
        graph: &["silu(%0)"],
        libm: f32::exp,
        scalar: |x| x * sigmoid(x),
        exact: |x| x * exact_sigmoid(x),
    },
    Function {
        name: "softplus",
        graph: &["softplus(%0)"],
        libm: f32::exp,
        scalar: |x| x.max(0.0) + (-x.abs()).exp().ln_1p(),
        exact: |x| x.exp().ln_1p(),
    },
    Function {
        name: "mish",
        graph: &["mish(%0)"],
        libm: f32::tanh,
        scalar: |x| x * (x.max(0.0) + (-x.abs()).exp().ln_1p()).tanh(),
        exact: |x| x * x.exp().ln_1p().tanh(),
    },
    Function {
        name: "gelu (tanh)",
        graph: &[
            "square(%0)",
            "constant() {value=0.035677408, shape=[]}",
            "constant() {value=0.79788456, shape=[]}",
            "mul(%1, %2)",
            "add(%4, %3)",
            "mul(%0, %5)",
            "tanh(%6)",
            "constant() {value=0.5, shape=[]}",
            "mul(%0, %8)",
            "mul(%9, %7)",
            "add(%9, %10)",
        ],
        libm: f32::tanh,
        scalar: |x| 0.5 * x * (1.0 + (x * (0.797_884_56 + x * x * 0.035_677_408)).tanh()),
        exact: |x| 0.5 * x * (1.0 + (x * (0.797_884_56 + x * x * 0.035_677_408)).tanh()),
    },
];

fn main() -> io::Result<()> {
    let seconds = if std::env::args().any(|arg| arg == "--bench") { 0.3 } else { 0.0 };
    // Between -6 and 6, in no order.
    let numbers = (0..SAMPLES * FEATURES).map(|i| (i * 7919 % 12_007) as f32 / 1000.0 - 6.0005);
    let inputs: Vec<f32> = numbers.collect();
    let mut out = io::stdout();
    writeln!(out, "{:12} {:>22} {:>34} {:>34}", "function", "graphc", "one call of libm", "the same in scalar code")?;
    for function in &FUNCTIONS {
        let mut session = session(function);
        session.set_input_f32(Mode::Infer, SAMPLES, "x", &inputs).expect("the input");
        session.step(Mode::Infer, SAMPLES).expect("a step");
        check(function, &inputs, &session);
        let mut step = || session.step(Mode::Infer, SAMPLES).expect("a step");
        let [mut call, mut scalar] = [function.libm, function.scalar].map(|scalar| calls(&inputs, scalar));
        let [ours, call, scalar, cycle] = least([&mut step, &mut call, &mut scalar, &mut dependent_products], seconds);
        let text = |s: f64| {
            let [ns, cycles] = [s * 1e9, s / cycle * PRODUCTS].map(|all| all / inputs.len() as f64);
            format!("{ns:.3} ns, {cycles:4.1} cycles")
        };
        let beside = |s: f64| format!("{}, {:4.1} times", text(s), s / ours);
        writeln!(out, "{:12} {:>22} {:>34} {:>34}", function.name, text(ours), beside(call), beside(scalar))?;
    }
    Ok(())
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn exact_sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// A run of a scalar function, called for every element.
fn calls(inputs: &[f32], scalar: fn(f32) -> f32) -> impl FnMut() {
    let mut outputs = vec![0.0; inputs.len()];
    move || {
        let scalar = black_box(scalar);
        inputs.iter().zip(&mut outputs).for_each(|(&x, y)| *y = scalar(x.abs()));
        black_box(&mut outputs);
    }
}

/// The session that computes it on one thread.
fn session(function: &Function) -> Session {
    let mut text =
        format!("graph functions() {{ %0: f32[N,{FEATURES}] = input() {{dtype=f32, shape=[N,{FEATURES}]}} \"x\"\n");
    for (number, statement) in (1..).zip(function.graph) {
        let shape = if statement.starts_with("constant") { String::new() } else { format!("N,{FEATURES}") };
        text += &format!("%{number}: f32[{shape}] = {statement}\n");
    }
    text += &format!("output y = %{} }}", function.graph.len());
    let graph: Graph = text.parse().expect("the text of a graph");
    let options = SessionOptions { threads: 1, ..SessionOptions::default() };
    Session::new(graph, options).expect("a valid graph")
}

/// The least time of each, in seconds, run in turns for so long each.
fn least<const N: usize>(mut runs: [&mut dyn FnMut(); N], seconds: f64) -> [f64; N] {
    let (start, mut least) = (Instant::now(), [f64::INFINITY; N]);
    loop {
        for (run, least) in runs.iter_mut().zip(&mut least) {
            let start = Instant::now();
            run();
            *least = least.min(start.elapsed().as_secs_f64());
        }
        if start.elapsed().as_secs_f64() >= seconds * N as f64 {
            return least;
        }
    }
}

/// How many cycles [`dependent_products`] takes: each product waits three for the one before.
const PRODUCTS: f64 = 30_000.0;

fn dependent_products() {
    black_box((0..10_000).fold(black_box(3_u64), |product, _| product.wrapping_mul(product)));
}

/// Compares the results with the function in double precision.
fn check(function: &Function, inputs: &[f32], session: &Session) {
    let found = session.output(Mode::Infer, SAMPLES, "y").expect("the output");
    for (&x, &y) in inputs.iter().zip(&found.data) {
        let exact = (function.exact)(f64::from(x));
        assert!(
            (f64::from(y) - exact).abs() < 2e-6 * exact.abs().max(1.0),
            "{}({x}) = {y}, not {exact}",
            function.name
        );
    }
}
