//! Losses as steps of random graphs.

use super::builder::{Builder, MAX_BOUND};
use graphc_ir::graph::NodeId;
use graphc_ir::ops::*;
use graphc_ir::types::{DType, Dim, Shape};

/// Cross-entropy of rows with new labels, whole or in parts, of probabilities that are exactly 0 where an input is;
/// with weights, and of shares of the classes.
pub(super) fn of_rows(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.tensor(|shape| shape.rank() == 2 && shape.batch_axis() == Some(0))?;
    let Dim::Fixed(depth) = builder.shape(x).0[1] else { return None };
    let labels = builder.input(DType::I32, Shape::batched(&[]))?;
    let bound = 2.0 * builder.bound(x) + 3.0;
    match builder.pick(8) {
        0 => builder.add(SoftmaxCrossentropy {}, &[x, labels], bound),
        1 => {
            // Probabilities so small that a logarithm is infinite would not be tame.
            let tame = builder.add(Tanh {}, &[x], 1.0)?;
            let probabilities = builder.add(Softmax {}, &[tame], 1.0)?;
            builder.add(CategoricalCrossentropy {}, &[probabilities, labels], 5.0)
        }
        2 => {
            let probabilities = builder.add(Sigmoid {}, &[x], 1.0)?;
            builder.add(CategoricalCrossentropy {}, &[probabilities, labels], bound)
        }
        3 => {
            let given = builder.input(DType::F32, Shape::batched(&[depth]))?;
            let probabilities = builder.add(Mul {}, &[given, given], 4.0)?;
            builder.add(CategoricalCrossentropy {}, &[probabilities, labels], 32.0)
        }
        4 => {
            let picked = builder.add(Pick {}, &[x, labels], builder.bound(x))?;
            builder.add(ReduceSum { axes: vec![0], keep_dims: false }, &[picked], bound * builder.batch as f64)
        }
        5 => {
            let weights = builder.input(DType::F32, Shape::batched(&[]))?;
            let probabilities = match builder.pick(2) {
                0 => builder.add(Sigmoid {}, &[x], 1.0)?,
                _ => {
                    let tame = builder.add(Tanh {}, &[x], 1.0)?;
                    builder.add(Softmax {}, &[tame], 1.0)?
                }
            };
            builder.add(CategoricalCrossentropy {}, &[probabilities, labels, weights], 2.0 * bound + 10.0)
        }
        6 => {
            // Most shares are exactly 0.
            let shares = builder.add(OneHot { depth }, &[labels], 1.0)?;
            let tame = builder.add(Tanh {}, &[x], 1.0)?;
            let probabilities = builder.add(Softmax {}, &[tame], 1.0)?;
            builder.add(CategoricalCrossentropy {}, &[probabilities, shares], 5.0)
        }
        _ => {
            let logs = builder.add(LogSoftmax {}, &[x], bound)?;
            let bound = builder.bound(logs);
            let targets = builder.add(OneHot { depth }, &[labels], 1.0)?;
            let terms = builder.add(Mul {}, &[logs, targets], bound)?;
            let sums = builder.add(ReduceSum { axes: vec![1], keep_dims: false }, &[terms], bound)?;
            let size = builder.add(BatchSize {}, &[], builder.batch as f64)?;
            let sum = builder.add(ReduceSum { axes: vec![0], keep_dims: false }, &[sums], MAX_BOUND)?;
            builder.add(Div {}, &[sum, size], bound)
        }
    }
}

/// Squared and absolute errors and what is between them, and the cross-entropy of yes and no; with weights or without.
pub(super) fn of_values(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.tensor(|shape| shape.rank() > 0)?;
    let shape = builder.shape(x);
    let target = builder.input(DType::F32, shape.clone())?;
    let mut operands = vec![x, target];
    if builder.pick(2) == 1 {
        operands.push(builder.input(DType::F32, Shape(vec![shape.0[0]]))?);
    }
    let bound = 2.0 * (builder.bound(x) + 2.0);
    match builder.pick(4) {
        0 => builder.add(MeanSquaredError {}, &operands, bound * bound),
        1 => builder.add(MeanAbsoluteError {}, &operands, bound),
        2 => builder.add(Huber { delta: 1.5 }, &operands, 1.5 * bound),
        _ => {
            operands[0] = builder.add(Sigmoid {}, &[x], 1.0)?;
            builder.add(BinaryCrossentropy {}, &operands, 8.0 * bound)
        }
    }
}
