//! Operands that do not fit are refused with both shapes.

use crate::cases::{b, batch_at, f, i};
use graphc_ir::Op;
use graphc_ir::ops::*;
use graphc_ir::types::{Shape, TensorType};

/// Fails unless `op` refuses the operands with this message.
fn check(op: impl Into<Op>, operands: &[TensorType], message: &str) {
    let operands: Vec<&TensorType> = operands.iter().collect();
    match op.into().infer(&operands) {
        Ok(ty) => panic!("accepted as {ty}, expected: {message}"),
        Err(error) => assert_eq!(error.to_string(), message),
    }
}

#[test]
fn elementwise() {
    check(Exp {}, &[i(b(&[]))], "expected an f32 tensor, got i32[N]");
    check(
        Add {},
        &[b(&[3]), f(&[4])],
        "shapes [N,3] and [4] do not broadcast: dimension 1 is 3 in one and 4 in the other",
    );
    check(Equal {}, &[b(&[]), i(b(&[]))], "equal compares one element type, got f32[N] and i32[N]");
    check(Less {}, &[i(b(&[])), b(&[])], "less compares one element type, got i32[N] and f32[N]");
    check(Where {}, &[i(b(&[])), b(&[]), b(&[])], "expected an f32 tensor, got i32[N]");
    let clip = |x_min, x_max| Clip { x_min, x_max };
    check(clip(1.0, 0.5), &[b(&[])], "clip expects an `x_min` of at most `x_max`, got 1 and 0.5");
    check(clip(f64::NAN, 1.0), &[b(&[])], "clip expects an `x_min` of at most `x_max`, got NaN and 1");
    check(Power { exponent: f64::NAN }, &[b(&[])], "power expects a finite `exponent`, got NaN");
    check(Exp {}, &[], "exp takes 1 operands, got 0");
}

#[test]
fn reductions() {
    let axes = "axes must be ascending dimensions of the operand of shape [N,3], got";
    check(ReduceMean { axes: vec![2], keep_dims: false }, &[b(&[3])], &format!("{axes} [2]"));
    check(ReduceMax { axes: vec![1, 0], keep_dims: true }, &[b(&[3])], &format!("{axes} [1, 0]"));
    check(ReduceVariance { axes: vec![], keep_dims: true }, &[b(&[3])], &format!("{axes} []"));
    check(
        ReduceMean { axes: vec![1], keep_dims: false },
        &[b(&[0])],
        "cannot reduce over axes [1] of shape [N,0]: a dimension has size 0",
    );
    check(
        Argmax { axis: 0 },
        &[b(&[3])],
        "the axis of argmax must not be the batch dimension N, but the shape is [N,3]",
    );
    check(OneHot { depth: 0 }, &[i(b(&[]))], "one_hot expects a `depth` greater than 0, got 0");
    check(OneHot { depth: 3 }, &[b(&[])], "one_hot expects i32 labels, got f32[N]");
}

#[test]
fn movement() {
    check(
        Reshape { shape: Shape::batched(&[4]) },
        &[b(&[5])],
        "cannot reshape [N,5] (5 elements) to [N,4] (4 elements)",
    );
    check(
        Reshape { shape: batch_at(1, &[5]).shape },
        &[b(&[5])],
        "reshape keeps the batch dimension N in its place, got [N,5] to [5,N]",
    );
    check(
        Transpose { perm: vec![0, 0] },
        &[b(&[5])],
        "perm must name each dimension of the operand of shape [N,5] once, got [0, 0]",
    );
    check(Broadcast { shape: Shape::fixed(&[3]) }, &[b(&[3])], "cannot broadcast [N,3] to [3]");
}

#[test]
fn matmul() {
    let plain = MatMul { transpose_a: false, transpose_b: false };
    check(plain.clone(), &[f(&[3]), f(&[3, 4])], "matmul expects f32 matrices of at least two dimensions, got f32[3]");
    check(
        plain.clone(),
        &[b(&[3]), f(&[4, 5])],
        "cannot multiply f32[N,3] by f32[4,5]: the summed dimension is 3 in one and 4 in the other",
    );
    check(
        plain,
        &[b(&[3, 4]), f(&[2, 4, 5])],
        "cannot multiply f32[N,3,4] by f32[2,4,5]: the leading dimensions differ",
    );
    check(
        MatMul { transpose_a: false, transpose_b: true },
        &[b(&[3]), f(&[3, 5])],
        "cannot multiply f32[N,3] by f32[3,5] (transposed): the summed dimension is 3 in one and 5 in the other",
    );
    check(
        MatMul { transpose_a: false, transpose_b: true },
        &[b(&[3]), b(&[3])],
        "shape [N,N] has the batch dimension N twice",
    );
}

#[test]
fn einsum() {
    let of = |equation: &str| Einsum { equation: equation.into() };
    let x = [b(&[3]), f(&[3, 4])];
    check(of("nd,de"), &x, "einsum expects an equation such as `ntd,de->nte`: there is no `->`");
    check(
        of("nd,d.->n"),
        &x,
        "einsum expects an equation such as `ntd,de->nte`: operand 2 has '.', which is no letter",
    );
    check(of("nn,de->e"), &x, "einsum expects an equation such as `ntd,de->nte`: operand 1 has `n` twice");
    check(of("nd,de->nee"), &x, "einsum expects an equation such as `ntd,de->nte`: the result has `e` twice");
    check(
        of("nd,de->nf"),
        &x,
        "einsum expects an equation such as `ntd,de->nte`: no operand has the `f` of the result",
    );
    check(of("nd,de,e->n"), &x, "einsum of `nd,de,e->n` reads 3 tensors, got 2");
    check(of("ntd,de->n"), &x, "einsum expects an f32 tensor of `ntd`, got f32[N,3]");
    check(of("nd,ed->ne"), &x, "`d` is 3 in one operand and 4 in another");
    check(of("nd,md->d"), &[b(&[3]), b(&[3])], "`n` and `m` both stand for the batch N");
}

#[test]
fn attention() {
    let weights = AttentionWeights { causal: false, scale: None, added_mask: false };
    let (query, key) = (b(&[2, 5, 8]), b(&[2, 6, 8]));
    check(
        weights.clone(),
        &[query.clone(), key.clone(), b(&[3, 6])],
        "a mask of attention broadcasts to the scores, f32[N,2,5,6], got f32[N,3,6]",
    );
    let causal = AttentionWeights { causal: true, ..weights };
    check(causal, &[b(&[8]), f(&[6, 8])], "causal attention expects places of fixed number, got scores f32[N,6]");
    let attention = ScaledDotProductAttention { causal: false, scale: None, added_mask: false };
    check(
        attention,
        &[query, key, b(&[2, 5, 4])],
        "cannot multiply f32[N,2,5,6] by f32[N,2,5,4]: the summed dimension is 6 in one and 5 in the other",
    );
    let turned = RotaryEmbedding { max_wavelength: 10000.0, axis: None };
    check(
        turned.clone(),
        &[b(&[4, 5])],
        "rotary_embedding expects f32[..,places,features], features even, got f32[N,4,5]",
    );
    check(turned.clone(), &[b(&[4])], "the number of places must not be the batch dimension N, but the shape is [N,4]");
    let last = RotaryEmbedding { axis: Some(2), ..turned };
    check(last, &[b(&[4, 6])], "rotary_embedding expects an `axis` before the last of f32[N,4,6], got 2");
    check(Tril { k: 0, value: 0.0 }, &[b(&[4])], "tril expects f32 matrices of shape [..,rows,columns], got f32[N,4]");
}

#[test]
fn pools() {
    let pool = |pool, strides, padding| MaxPool2d { pool, strides, padding };
    let x = [b(&[4, 4, 2])];
    check(pool([2, 2], [0, 1], [0; 4]), &x, "pool and strides must be at least 1, got pool [2, 2] and strides [0, 1]");
    check(
        pool([2, 2], [1, 1], [0, 0, 2, 0]),
        &x,
        "padding [0, 0, 2, 0] (top, bottom, left, right) must be smaller than the pool [2, 2], or a window would lie \
         outside the image",
    );
    check(
        pool([2, 7], [1, 1], [0, 0, 1, 1]),
        &x,
        "a pool of 2x7 with padding [0, 0, 1, 1] does not fit into an image of 4x4",
    );
    check(
        pool([2, 2], [1, 1], [0; 4]),
        &[b(&[4, 4])],
        "max_pool2d expects f32 images of shape [N,h,w,c], got f32[N,4,4]",
    );
    let grad = AvgPool2dGrad { pool: [2, 2], strides: [2, 2], padding: [0; 4], shape: Shape::batched(&[4, 4, 2]) };
    check(grad, &[b(&[3, 2, 2])], "expected the gradient of avg_pool2d's result, f32[N,2,2,2], got f32[N,3,2,2]");
}

#[test]
fn normalisations() {
    let c = f(&[3]);
    let norm = BatchNorm { momentum: 0.9, epsilon: 1e-3 };
    check(
        norm.clone(),
        &[b(&[3]), c.clone(), f(&[4]), c.clone(), c.clone()],
        "batch_norm expects a beta of type f32[3] for input f32[N,3], got f32[4]",
    );
    let four = || [c.clone(), c.clone(), c.clone(), c.clone()];
    let with = |x: TensorType| [vec![x], four().to_vec()].concat();
    check(norm, &with(b(&[])), "batch_norm expects an f32 tensor of shape [N,..,c], got f32[N]");
    check(
        Normalize { epsilon: 1e-3 },
        &with(batch_at(1, &[3])),
        "the last dimension, which normalize keeps, must not be the batch dimension N, but the shape is [3,N]",
    );
    let step = i(f(&[]));
    check(
        Dropout { rate: 1.0, seed: 0 },
        &[b(&[3]), step.clone()],
        "the rate of dropout must be at least 0 and less than 1, got 1",
    );
    check(
        Dropout { rate: 0.5, seed: 0 },
        &[b(&[3]), f(&[])],
        "dropout expects the step's number as an i32 scalar, got f32[]",
    );
    check(
        DropoutMask { rate: 0.5, seed: 0, shape: batch_at(1, &[2]).shape },
        &[step],
        "dropout expects the batch dimension N first, got shape [2,N]",
    );
}

#[test]
fn losses() {
    check(Softmax { axis: -1 }, &[b(&[])], "softmax needs a last dimension of fixed size, at least 1, got shape [N]");
    check(LogSoftmax { axis: -1 }, &[f(&[])], "log_softmax expects an f32 tensor of shape [..,c], got f32[]");
    check(
        CategoricalCrossentropy::PLAIN,
        &[b(&[]), i(b(&[]))],
        "categorical_crossentropy expects f32 probabilities of shape [N,..,c], got f32[N]",
    );
    check(
        CategoricalCrossentropy { from_logits: true, ..CategoricalCrossentropy::PLAIN },
        &[b(&[2, 3]), i(b(&[]))],
        "categorical_crossentropy expects labels i32[N,2] or shares of the classes f32[N,2,3], got i32[N]",
    );
    check(
        CategoricalCrossentropy { ignore_label: Some(0), ..CategoricalCrossentropy::PLAIN },
        &[b(&[3]), b(&[3])],
        "categorical_crossentropy with an `ignore_label` expects i32 labels, got f32[N,3]",
    );
    check(
        Nll { ignore_label: None },
        &[b(&[3]), b(&[3])],
        "nll expects labels of type i32[N] for log-probabilities f32[N,3], got f32[N,3]",
    );
    check(CosineSimilarity {}, &[b(&[]), b(&[])], "cosine_similarity expects predictions of shape [..,c], got f32[N]");
    check(Mean {}, &[i(b(&[]))], "mean expects an f32 tensor without empty dimensions, got i32[N]");
    check(LabelMask { ignored: 0 }, &[b(&[])], "label_mask expects i32 labels, got f32[N]");
    check(StopGradient {}, &[i(b(&[]))], "stop_gradient expects an f32 tensor, got i32[N]");
    check(
        TripletMargin { margin: 1.0 },
        &[b(&[3]), b(&[3]), b(&[4])],
        "triplet_margin expects tensors of one type, got f32[N,3] and f32[N,4]",
    );
    check(
        MeanSquaredError {},
        &[b(&[3]), b(&[3]), b(&[4])],
        "mean_squared_error expects weights of type f32[N] or f32[N,3] for f32[N,3], got f32[N,4]",
    );
}

#[test]
fn targets_and_weights_of_losses() {
    check(
        SoftmaxCrossentropy {},
        &[b(&[3]), b(&[])],
        "softmax_crossentropy expects labels of type i32[N] for logits f32[N,3], got f32[N]",
    );
    check(
        MeanSquaredError {},
        &[b(&[3]), f(&[3])],
        "mean_squared_error expects a target of the prediction's type f32[N,3], got f32[3]",
    );
    check(
        CategoricalCrossentropy::PLAIN,
        &[b(&[3]), b(&[4])],
        "categorical_crossentropy expects labels i32[N] or shares of the classes f32[N,3], got f32[N,4]",
    );
    check(
        CategoricalCrossentropy::PLAIN,
        &[b(&[3]), b(&[3]), b(&[3])],
        "categorical_crossentropy expects weights of type f32[N] for f32[N,3], got f32[N,3]",
    );
    check(Huber { delta: 0.0 }, &[b(&[3]), b(&[3])], "huber expects a `delta` greater than 0, got 0");
    check(Clamp { limit: f64::NAN }, &[b(&[3])], "clamp expects a `limit` greater than 0, got NaN");
    check(
        BinaryCrossentropy::PLAIN,
        &[b(&[3]), i(b(&[3]))],
        "binary_crossentropy expects a target of the prediction's type f32[N,3], got i32[N,3]",
    );
    check(MeanAbsoluteError {}, &[b(&[3])], "mean_absolute_error takes 2 to 3 operands, got 1");
    check(
        MeanSquaredError {},
        &[f(&[]), f(&[]), f(&[])],
        "mean_squared_error takes no weights for a scalar, got f32[]",
    );
}

#[test]
fn views() {
    let x = [b(&[4, 6])];
    let (axis, start, end) = (1, 0, None);
    check(Slice { axis, start, end, step: 0 }, &x, "slice expects a `step` other than 0");
    check(
        Slice { axis, start: 4, end, step: 1 },
        &x,
        "slice expects start < end <= 4 along axis 1 of f32[N,4,6], got 4 to the end",
    );
    check(
        Slice { axis, start: 2, end: Some(-2), step: -1 },
        &x,
        "slice expects end < start < 4 along axis 1 of f32[N,4,6], got 2 to -2",
    );
    check(
        Slice { axis, start: -5, end, step: 1 },
        &x,
        "slice expects start < end <= 4 along axis 1 of f32[N,4,6], got -5 to the end",
    );
    check(
        Pad { mode: PadMode::Reflect, ..Pad::zeros(1, 4, 0) },
        &x,
        "pad with the mode \"reflect\" expects at most 3 values on a side of 4, got 4 and 0",
    );
    check(
        Pad { mode: PadMode::Edge, value: 1.0, ..Pad::zeros(1, 4, 0) },
        &x,
        "pad with the mode \"edge\" takes no `interior` and no `value`",
    );
    check(Squeeze { axes: vec![2] }, &x, "squeeze expects ascending axes of size 1 of f32[N,4,6], got [2]");
    check(ExpandDims { axis: 4 }, &x, "expand_dims expects an axis up to 3 of f32[N,4,6], got 4");
    check(Tile { repeats: vec![1, 2] }, &x, "tile expects 3 repeats, one for each dimension of f32[N,4,6], got [1, 2]");
    check(Tile { repeats: vec![2, 2, 1] }, &x, "tile cannot repeat the batch dimension N of f32[N,4,6]");
    check(
        SpaceToDepth { block_size: 3 },
        &[b(&[6, 4, 1])],
        "space_to_depth expects height and width that are multiples of 3, got f32[N,6,4,1]",
    );
    check(
        DepthToSpace { block_size: 2 },
        &[b(&[6, 4, 6])],
        "depth_to_space expects channels that are a multiple of 4, got f32[N,6,4,6]",
    );
    check(DepthToSpace { block_size: 2 }, &x, "depth_to_space expects images of shape [N,h,w,c], got f32[N,4,6]");
    check(TopK { k: 7, result: 0 }, &x, "top_k expects a `k` of at most 6 for f32[N,4,6], got 7");
    check(Softmax { axis: -3 }, &x, "softmax needs a dimension -3 of fixed size, at least 1, got shape [N,4,6]");
}
