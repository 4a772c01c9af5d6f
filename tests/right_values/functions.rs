//! Functions of one number, at zeros, infinities, NaN and where they jump.

use super::{Case, INF, NAN, of_x};
use std::f64::consts::LN_2;

/// One function of each of these numbers, in inference; loss and target are of no account.
fn function(node: &str, xs: &[f64], expected: &[f64]) {
    let shape = [1, xs.len()];
    let target = vec![0.0; xs.len()];
    let bindings: [(&str, &[usize], &[f64]); 2] = [("x", &shape, xs), ("t", &shape, &target)];
    let inputs = format!(r#""x": {{ "shape": ["N", {0}] }}, "t": {{ "shape": ["N", {0}] }}"#, xs.len());
    let nodes = format!(r#"{{ "name": "y", {node}, "inputs": "x" }}"#);
    let as_numbers = r#""op": "mean_squared_error", "prediction": "y", "target": "t""#;
    Case { inputs: &inputs, nodes: &nodes, loss: as_numbers, batch: 1, bindings: &bindings }
        .gives(false, "y", expected);
}

#[test]
fn rounding_keeps_signs_and_takes_the_even_integer() {
    let xs = [0.5, 1.5, -0.5, -1.5, 2.5, -0.25, 0.75, -0.0, 8_388_609.0, 1e20, -0.75, 3.0, INF, -INF, NAN];
    let of = |op: &str, expected: &[f64]| {
        let all = [expected, &[INF, -INF, NAN]].concat();
        function(&format!(r#""op": "{op}""#), &xs, &all);
    };
    of("round", &[0.0, 2.0, -0.0, -2.0, 2.0, -0.0, 1.0, -0.0, 8_388_609.0, 1e20, -1.0, 3.0]);
    of("floor", &[0.0, 1.0, -1.0, -2.0, 2.0, -1.0, 0.0, -0.0, 8_388_609.0, 1e20, -1.0, 3.0]);
    of("ceil", &[1.0, 2.0, -0.0, -1.0, 3.0, -0.0, 1.0, -0.0, 8_388_609.0, 1e20, -0.0, 3.0]);
    of("trunc", &[0.0, 1.0, -0.0, -1.0, 2.0, -0.0, 0.0, -0.0, 8_388_609.0, 1e20, -0.0, 3.0]);
}

#[test]
fn cast_cuts_fractions_off_and_stays_within_range() {
    let xs = [1.75, -1.75, 0.0, -0.0, 65_535.5, -65_536.5, 16_777_217.0, 2e9, -2e9, 3e9, -3e9, INF, -INF, NAN];
    let (least, most) = (f64::from(i32::MIN), 2_147_483_520.0);
    let integers = [1.0, -1.0, 0.0, 0.0, 65_535.0, -65_536.0, 16_777_216.0, 2e9, -2e9, most, least, most, least, 0.0];
    let there_and_back =
        r#""op": "cast", "dtype": "i32", "inputs": "x" }, { "name": "y", "op": "cast", "dtype": "f32""#;
    let shape = [1, xs.len()];
    let bindings: [(&str, &[usize], &[f64]); 2] = [("x", &shape, &xs), ("t", &shape, &[0.0; 14])];
    let inputs = r#""x": { "shape": ["N", 14] }, "t": { "shape": ["N", 14] }"#;
    of_x(inputs, &format!(r#"{{ "name": "i", {there_and_back} }}"#), 1, &bindings).gives(false, "y", &integers);
    let truths = [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    function(r#""op": "cast", "dtype": "bool""#, &xs, &truths);
}

#[test]
fn functions_of_special_numbers() {
    let xs = [0.0, -0.0, 1.0, -1.0, INF, -INF, NAN];
    let of = |op: &str, expected: &[f64]| function(&format!(r#""op": "{op}""#), &xs, expected);
    of("erf", &[0.0, -0.0, 0.842_701, -0.842_701, 1.0, -1.0, NAN]);
    of("ndtr", &[0.5, 0.5, 0.841_345, 0.158_655, 1.0, 0.0, NAN]);
    of("gelu", &[0.0, -0.0, 0.841_345, -0.158_655, INF, NAN, NAN]);
    of("sin", &[0.0, -0.0, 0.841_471, -0.841_471, NAN, NAN, NAN]);
    of("cos", &[1.0, 1.0, 0.540_302, 0.540_302, NAN, NAN, NAN]);
    of("tan", &[0.0, -0.0, 1.557_408, -1.557_408, NAN, NAN, NAN]);
    of("expm1", &[0.0, -0.0, 1.718_282, -0.632_121, INF, -1.0, NAN]);
    of("log1p", &[0.0, -0.0, LN_2, -INF, INF, NAN, NAN]);
    of("hard_tanh", &[0.0, -0.0, 1.0, -1.0, 1.0, -1.0, NAN]);
}
