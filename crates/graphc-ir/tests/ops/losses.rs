//! Losses on the examples of Keras's documentation, and on others that are worked out by hand.

use graphc_ir::ops::*;
use graphc_ir::{Op, Tensor};

fn tensor(shape: &[usize], data: &[f64]) -> Tensor<f64> {
    Tensor::new(shape.to_vec(), data.to_vec())
}

fn value(op: impl Into<Op>, operands: &[Tensor<f64>]) -> f64 {
    op.into().eval(&operands.iter().collect::<Vec<_>>(), &[]).data[0]
}

#[track_caller]
fn check(op: impl Into<Op>, operands: &[Tensor<f64>], expected: f64) {
    let (op, digits) = (op.into(), 5e-4);
    let found = value(op.clone(), operands);
    assert!((found - expected).abs() <= digits * expected.abs().max(1.0), "{op:?} is {found}, expected {expected}");
}

/// Predictions and targets of two rows of two.
fn pairs(prediction: [f64; 4], target: [f64; 4]) -> [Tensor<f64>; 2] {
    [prediction, target].map(|data| tensor(&[2, 2], &data))
}

#[test]
fn examples_of_keras() {
    let scores = || pairs([0.6, 0.4, 0.4, 0.6], [0.0, 1.0, 0.0, 0.0]);
    let values = || pairs([1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]);
    check(LogCosh {}, &values(), 0.108);
    check(Poisson {}, &values(), 0.5);
    check(KlDivergence {}, &scores(), 0.458);
    check(Hinge {}, &scores(), 1.3);
    check(SquaredHinge {}, &scores(), 1.86);
    check(CategoricalHinge {}, &scores(), 1.4);
    check(MeanAbsolutePercentageError {}, &pairs([1.0, 1.0, 1.0, 0.0], [2.0, 1.0, 2.0, 3.0]), 50.0);
    check(CosineSimilarity {}, &pairs([1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0]), -0.5);
    let logits = [tensor(&[4], &[-18.6, 0.51, 2.94, -12.8]), tensor(&[4], &[0.0, 1.0, 0.0, 0.0])];
    check(BinaryCrossentropy { from_logits: true, label_smoothing: 0.0 }, &logits, 0.865_458);
    let rows = tensor(&[2, 3], &[0.05, 0.95, 0.0, 0.1, 0.8, 0.1]);
    let [one_hot, labels] = [tensor(&[2, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, 1.0]), tensor(&[2], &[1.0, 2.0])];
    check(CategoricalCrossentropy::PLAIN, &[rows.clone(), one_hot.clone()], 1.177);
    check(CategoricalCrossentropy::PLAIN, &[rows.clone(), labels.clone()], 1.177);
    check(CategoricalCrossentropy::PLAIN, &[rows, labels, tensor(&[2], &[0.3, 0.7])], 0.814);
}

#[test]
fn smoothed_labels_and_one_hot_ones_are_the_same() {
    let logits = tensor(&[2, 3], &[0.5, -1.0, 2.0, 0.0, 0.0, -3.0]);
    let [labels, one_hot] = [tensor(&[2], &[2.0, 0.0]), tensor(&[2, 3], &[0.0, 0.0, 1.0, 1.0, 0.0, 0.0])];
    let op = CategoricalCrossentropy { from_logits: true, label_smoothing: 0.3, ignore_label: None };
    let log_sums = [0.5f64, -1.0, 2.0].map(f64::exp).iter().sum::<f64>().ln();
    let first = -(0.8 * 2.0 + 0.1 * 0.5 - 0.1) + log_sums;
    let second = 0.3 + (2.0 + (-3f64).exp()).ln();
    check(op.clone(), &[logits.clone(), labels], f64::midpoint(first, second));
    check(op, &[logits, one_hot], f64::midpoint(first, second));
    let yes = [tensor(&[1], &[0.25]), tensor(&[1], &[1.0])];
    let op = BinaryCrossentropy { from_logits: false, label_smoothing: 0.2 };
    check(op, &yes, -(0.9 * 0.25f64.ln() + 0.1 * 0.75f64.ln()));
}

/// The divisor is the number of labels that count, whatever the weights are; without any the loss is NaN.
#[test]
fn ignored_labels_do_not_count() {
    let rows = tensor(&[1, 3, 2], &[0.25, 0.75, 0.5, 0.5, 0.0, 1.0]);
    let logs = tensor(&[1, 3, 2], &rows.data.iter().map(|p| p.ln()).collect::<Vec<_>>());
    let labels = tensor(&[1, 3], &[0.0, 1.0, -100.0]);
    let (ignore_label, weights) = (Some(-100), tensor(&[1, 3], &[3.0, 1.0, 5.0]));
    let of_rows = CategoricalCrossentropy { ignore_label, ..CategoricalCrossentropy::PLAIN };
    let of_logits = CategoricalCrossentropy { from_logits: true, ..of_rows.clone() };
    let [first, second] = [-0.25f64.ln(), -0.5f64.ln()];
    let forms: [(Op, &Tensor<f64>); 3] =
        [(of_rows.into(), &rows), (of_logits.into(), &logs), (Nll { ignore_label }.into(), &logs)];
    for (op, rows) in forms {
        let operands = [rows.clone(), labels.clone()];
        check(op.clone(), &operands, f64::midpoint(first, second));
        let [rows, labels] = operands;
        check(op.clone(), &[rows.clone(), labels, weights.clone()], f64::midpoint(3.0 * first, second));
        assert!(value(op, &[rows, tensor(&[1, 3], &[-100.0; 3])]).is_nan());
    }
}

#[test]
fn distances() {
    let [a, b, c] = [[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]].map(|data| tensor(&[1, 2], &data));
    check(PairwiseDistance {}, &[a.clone(), b.clone()], 5.0);
    check(TripletMargin { margin: 1.0 }, &[a.clone(), b.clone(), c.clone()], 5.0);
    check(TripletMargin { margin: 1.0 }, &[a, c, b], 0.0);
    let pairs = [tensor(&[3], &[0.5, 0.5, 3.0]), tensor(&[3], &[1.0, 0.0, 0.0])];
    check(Contrastive { margin: 2.0 }, &pairs, (0.25 + 2.25) / 3.0);
}
