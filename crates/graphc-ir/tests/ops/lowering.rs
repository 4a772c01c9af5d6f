//! `lower` computes what `eval` means.

use crate::cases::{b, evaluated, i};
use crate::compute_eval::{check_types, evaluate};
use crate::graph_eval::evaluate_op;
use graphc_ir::Tensor;
use graphc_ir::ops::{Lowering, OneHot, OpRules, ReduceVariance};
use graphc_testing::Numbers;

/// Fails unless the two are equal up to rounding; infinities and NaN must be the same.
pub(crate) fn assert_close(what: &str, found: &Tensor<f64>, expected: &Tensor<f64>, tolerance: f64) {
    assert_eq!(found.shape, expected.shape, "{what}: shape");
    for (position, (&x, &y)) in found.data.iter().zip(&expected.data).enumerate() {
        let near = x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= tolerance * (1.0 + y.abs());
        assert!(near, "{what}: element {position} is {x}, expected {y}");
    }
}

#[test]
fn loop_forms_compute_the_evaluation() {
    for case in evaluated() {
        let operands = case.operand_types();
        let out = case.result();
        let Lowering::Compute(compute) = case.op.lower(&operands, &out) else { continue };
        assert_eq!(compute.axes, out.shape.0, "{case}");
        check_types(&compute, &operands, &out);
        for (batch, kind) in [(1, Numbers::Ties), (3, Numbers::Ties), (5, Numbers::Outside)] {
            let inputs = case.numbers(batch, batch as u64, kind);
            let inputs: Vec<&Tensor<f64>> = inputs.iter().collect();
            let expected = evaluate_op(&case.op, &inputs, &out.shape.sizes(Some(batch)), batch);
            let found = evaluate(&compute, &inputs, batch);
            assert_close(&format!("{case}, batch {batch}"), &found, &expected, 1e-12);
        }
    }
}

#[test]
fn variance_is_the_mean_squared_deviation() {
    // Rows 1 2 6 and 5 5 5 of a batch of two.
    let x = Tensor::new(vec![2, 3], vec![1.0, 2.0, 6.0, 5.0, 5.0, 5.0]);
    let along_rows = ReduceVariance { axes: vec![1], keep_dims: false };
    assert_eq!(along_rows.eval(&[&x], &[2]).data, [14.0 / 3.0, 0.0]);
    let over_batch = ReduceVariance { axes: vec![0], keep_dims: true };
    assert_eq!(over_batch.eval(&[&x], &[1, 3]).data, [4.0, 2.25, 0.25]);
    assert_eq!(over_batch.lower(&[&b(&[3])], &b(&[3])), Lowering::Variance { axes: vec![0] });
}

#[test]
fn labels_outside_give_zero_rows() {
    let labels = Tensor::new(vec![3], vec![-1.0, 1.0, 2.0]);
    let op = OneHot { depth: 2 };
    assert_eq!(op.infer(&[&i(b(&[]))]).unwrap(), b(&[2]));
    assert_eq!(op.eval(&[&labels], &[3, 2]).data, [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
}
