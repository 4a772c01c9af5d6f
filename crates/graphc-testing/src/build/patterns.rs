//! What networks make of several ops, as steps of random graphs: passes look for it.

use super::builder::{Builder, MAX_BOUND};
use graphc_ir::graph::NodeId;
use graphc_ir::ops::draw::Draw;
use graphc_ir::ops::*;
use graphc_ir::types::{DType, Dim, Shape};

/// What a batch normalisation expands to: statistics over all dimensions but the last, then `normalize`.
pub(super) fn normalization(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.node(|shape| shape.rank() >= 2 && shape.0[shape.rank() - 1] != Dim::Batch)?;
    let shape = builder.shape(x);
    let axes: Vec<usize> = (0..shape.rank() - 1).collect();
    let channels = Shape(shape.0[axes.len()..].to_vec());
    let bound = builder.bound(x);
    let mean = builder.add(ReduceMean { axes: axes.clone(), keep_dims: false }, &[x], bound)?;
    // Not scaled, so that the bound of the result holds.
    let n_terms = builder.n_terms(x, &axes) as f64;
    let variance = builder.add(ReduceVariance { axes, keep_dims: false }, &[x], MAX_BOUND)?;
    let gamma = builder.parameter(channels.clone())?;
    let beta = builder.parameter(channels)?;
    let result_bound = builder.bound(gamma) * n_terms.sqrt() + builder.bound(beta);
    builder.add(Normalize { epsilon: 1e-2 }, &[x, mean, variance, gamma, beta], result_bound)
}

/// What `layer_norm` and `rms_norm` are made of: statistics within samples, over some dimensions.
pub(super) fn normalization_of_samples(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.node(|shape| shape.0.iter().any(|&dim| dim != Dim::Batch))?;
    let batch = builder.shape(x).batch_axis();
    let mut axes = builder.axes(builder.shape(x).rank())?;
    axes.retain(|&axis| Some(axis) != batch);
    let (n_terms, bound) = (builder.n_terms(x, &axes) as f64, builder.bound(x));
    let has_mean = builder.flag();
    // Not scaled, so that the bound of the result holds.
    let (deviation, mean_square) = if has_mean {
        let mean = builder.add(ReduceMean { axes: axes.clone(), keep_dims: true }, &[x], bound)?;
        let deviation = builder.add(Sub {}, &[x, mean], MAX_BOUND)?;
        (deviation, builder.add(ReduceVariance { axes, keep_dims: true }, &[x], MAX_BOUND)?)
    } else {
        let square = builder.add(Square {}, &[x], MAX_BOUND)?;
        (x, builder.add(ReduceMean { axes, keep_dims: true }, &[square], MAX_BOUND)?)
    };
    let epsilon = builder.constant(1e-2)?;
    let radicand = builder.add(Add {}, &[mean_square, epsilon], MAX_BOUND)?;
    let factor = builder.add(Rsqrt {}, &[radicand], 10.0)?;
    builder.add(Mul {}, &[deviation, factor], n_terms.sqrt())
}

/// Cross-entropy of rows: its parts, of shares of the classes that are exactly 0, of probabilities that are where an
/// input is.
pub(super) fn loss_of_rows(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.node(|shape| shape.rank() == 2 && shape.batch_axis() == Some(0))?;
    let Dim::Fixed(depth) = builder.shape(x).0[1] else { return None };
    let labels = builder.input(DType::I32, Shape::batched(&[]))?;
    let bound = 2.0 * builder.bound(x) + 3.0;
    match builder.pick(4) {
        0 => {
            let given = builder.input(DType::F32, Shape::batched(&[depth]))?;
            let probabilities = builder.add(Mul {}, &[given, given], 4.0)?;
            builder.add(CategoricalCrossentropy::PLAIN, &[probabilities, labels], 32.0)
        }
        1 => {
            let picked = builder.add(Pick {}, &[x, labels], builder.bound(x))?;
            builder.add(ReduceSum { axes: vec![0], keep_dims: false }, &[picked], bound * builder.batch as f64)
        }
        2 => {
            // Most shares are exactly 0.
            let shares = builder.add(OneHot { depth }, &[labels], 1.0)?;
            let tame = builder.add(Tanh {}, &[x], 1.0)?;
            let probabilities = builder.add(Softmax { axis: -1 }, &[tame], 1.0)?;
            builder.add(CategoricalCrossentropy::PLAIN, &[probabilities, shares], 5.0)
        }
        _ => {
            let logs = builder.add(LogSoftmax { axis: -1 }, &[x], bound)?;
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

/// A matrix and what it is itself, transposed, both of which are views of other tensors.
pub(super) fn product_of_views(builder: &mut Builder) -> Option<NodeId> {
    let view = super::drawn::one_of(builder, &["transpose", "reshape", "broadcast", "slice"])?;
    let shape = builder.shape(view);
    let transpose_a = builder.pick(2) == 1;
    let inner = shape.0.len().checked_sub(if transpose_a { 2 } else { 1 })?;
    if shape.rank() < 2 {
        return None;
    }
    let n_terms = builder.n_terms(view, &[inner]) as f64;
    let bound = builder.bound(view) * builder.bound(view) * n_terms;
    builder.add(MatMul { transpose_a, transpose_b: !transpose_a }, &[view, view], bound)
}
