//! Layers and batches large enough for what small random graphs never reach: weights that are packed, several chunks of
//! samples for one block of weights, images cut into strips, sums over several chunks of a group, fetching ahead.
//! Machine code against the loop interpreter and other instructions, and against the meaning where the order of sums is
//! special.

use crate::common::engines::{OTHER_ISAS, compare_isas, run_both};
use crate::common::meaning::compare_with_meaning;
use graphc_driver::{CompileOptions, Machine, compile, lower};
use graphc_interp::graph::{Evaluation, Keep, run_keeping};
use graphc_ir::graph::Graph;
use graphc_ir::graph::builder::{GraphBuilder, Loss};
use graphc_ir::layers::{Activation, AvgPool2d, BatchNorm, Conv2d, Dense, DepthwiseConv2d, Padding};
use graphc_ir::{DType, NodeId, Optimizer, Shape, Tensor};
use graphc_testing::bindings;
use std::collections::BTreeMap;

/// Adds a classifier of ten classes and trains everything with Adam.
fn finish(mut builder: GraphBuilder, features: NodeId) -> Graph {
    let label = builder.input("label", DType::I32, Shape::batched(&[])).unwrap();
    let classes = Dense { activation: Some(Activation::Softmax), ..Dense::new(10) };
    let classes = builder.dense("classes", features, &classes).unwrap();
    builder.loss(Loss::CategoricalCrossentropy, classes, label).unwrap();
    builder.optimizer(Optimizer::adam(0.01));
    builder.finish()
}

/// One training step at that batch size; the loop program for the machine of reference, whose caches are known, must
/// contain all of `marks`.
fn check(graph: &Graph, batch: usize, marks: &[&str]) {
    check_with(graph, batch, marks, false);
}

/// The same. If the network `is_smooth`, so that rounding changes little, results are those of the graph, too.
fn check_with(graph: &Graph, batch: usize, marks: &[&str], is_smooth: bool) {
    let options = CompileOptions { gradients: true, ..CompileOptions::train(batch) };
    let reference = CompileOptions { machine: Machine::REFERENCE, ..options.clone() };
    let text = lower(graph, &reference).unwrap().program.to_string();
    for mark in marks {
        assert!(text.contains(mark), "batch {batch}: no {mark:?} in the loop program");
    }
    let compiled = compile(graph, &options).unwrap();
    let tensors = bindings(&compiled.lowered.backward, 1);
    let (lowered, memory) = run_both(compiled, &tensors).unwrap_or_else(|message| panic!("batch {batch}: {message}"));
    if is_smooth {
        let exact: BTreeMap<String, Tensor<f64>> = tensors.iter().map(|(name, t)| (name.clone(), t.cast())).collect();
        let meaning: Evaluation<f64> = run_keeping(&lowered.backward, &exact, Keep::Roots).unwrap();
        compare_with_meaning(&lowered.program, &memory, &meaning, |_| 1e-3)
            .unwrap_or_else(|message| panic!("batch {batch}: {message}"));
    }
    compare_isas(graph, &options, &OTHER_ISAS, &tensors, &memory)
        .unwrap_or_else(|message| panic!("batch {batch}: {message}"));
}

/// 163 units are no multiple of any tile; the weights are more than a core's own cache keeps.
#[test]
fn wide_dense_layers() {
    let mut builder = GraphBuilder::new("wide");
    let features = builder.input("features", DType::F32, Shape::batched(&[900])).unwrap();
    let relu = |units| Dense { activation: Some(Activation::Relu), ..Dense::new(units) };
    let hidden = builder.dense("hidden1", features, &relu(163)).unwrap();
    let hidden = builder.dense("hidden2", hidden, &relu(809)).unwrap();
    let graph = finish(builder, hidden);
    // One chunk; tasks of two chunks with a ragged one at the end.
    check(&graph, 16, &["ahead="]);
    check(&graph, 133, &["packed weights", "ahead="]);
}

/// Planes of 26 x 23 pixels are cut into strips, with and without padding.
#[test]
fn large_images() {
    for padding in [Padding::Same, Padding::Valid] {
        let mut builder = GraphBuilder::new("large");
        let image = builder.input("image", DType::F32, Shape::batched(&[26, 23, 2])).unwrap();
        let relu = Activation::Relu;
        let convolution = |filters| Conv2d { activation: Some(relu.clone()), padding, ..Conv2d::new(filters, [3, 5]) };
        let conv = builder.conv2d("conv1", image, &convolution(7)).unwrap();
        let conv = builder.conv2d("conv2", conv, &convolution(5)).unwrap();
        let flat = builder.flatten("flat", conv).unwrap();
        let graph = finish(builder, flat);
        check(&graph, 16, &["accumulators of"]);
        check(&graph, 70, &["accumulators of"]);
    }
}

/// Depthwise: blocks of pixels whose weights are the same for all, taps that share strips; two filters a channel and
/// groups of several channels; gaps between taps.
#[test]
fn large_images_in_groups() {
    for padding in [Padding::Same, Padding::Valid] {
        let mut builder = GraphBuilder::new("groups");
        let image = builder.input("image", DType::F32, Shape::batched(&[26, 23, 4])).unwrap();
        let convolution = |filters, kernel| Conv2d { padding, ..Conv2d::new(filters, kernel) };
        let depthwise =
            |depth_multiplier, kernel| DepthwiseConv2d { depth_multiplier, padding, ..DepthwiseConv2d::new(kernel) };
        let x = builder.depthwise_conv2d("depth1", image, &depthwise(1, [3, 5])).unwrap();
        let x = builder.activation("relu", x, Activation::Relu).unwrap();
        let x = builder.depthwise_conv2d("depth2", x, &depthwise(2, [3, 3])).unwrap();
        let x = builder.conv2d("grouped", x, &Conv2d { groups: 2, ..convolution(6, [2, 2]) }).unwrap();
        let x = builder.activation("tanh", x, Activation::Tanh).unwrap();
        let dilated = Conv2d { dilation: [3, 2], strides: [2, 1], ..convolution(3, [3, 3]) };
        let x = builder.conv2d("dilated", x, &dilated).unwrap();
        let x = builder.flatten("flat", x).unwrap();
        let graph = finish(builder, x);
        let marks: &[&str] = if padding == Padding::Same { &["accumulators of"] } else { &[] };
        check(&graph, 16, marks);
        check_with(&graph, 39, &[], true);
    }
}

/// More chunks than there are groups of them: weight gradients wait for the next chunk of their group, the last group
/// has fewer chunks, and what is far away is fetched.
#[test]
fn large_batches() {
    let mut builder = GraphBuilder::new("batches");
    let image = builder.input("image", DType::F32, Shape::batched(&[18, 18, 1])).unwrap();
    let mut x = image;
    for (number, filters) in [4, 3].into_iter().enumerate() {
        x = builder.conv2d(&format!("conv{number}"), x, &Conv2d::new(filters, [3, 3])).unwrap();
        x = builder.batch_norm(&format!("norm{number}"), x, &BatchNorm::default()).unwrap();
        x = builder.activation(&format!("tanh{number}"), x, Activation::Tanh).unwrap();
        x = builder.avg_pool2d(&format!("pool{number}"), x, &AvgPool2d::new([2, 2])).unwrap();
    }
    let x = builder.flatten("flat", x).unwrap();
    let x = builder.dense("hidden", x, &Dense { activation: Some(Activation::Tanh), ..Dense::new(13) }).unwrap();
    let graph = finish(builder, x);
    // 33 chunks are eight groups of four and one of one.
    let marks = ["accumulators of", "fetch", "lines=1\n", "rows of"];
    check_with(&graph, 33 * 16 - 5, &marks, true);
    // As many groups as chunks: nothing waits.
    check_with(&graph, 4 * 16, &["rows of"], true);
}

/// Enough samples for several groups of rows: the last has fewer chunks, and is ragged.
#[test]
fn dense_layers_of_large_batches() {
    let mut builder = GraphBuilder::new("dense");
    let features = builder.input("features", DType::F32, Shape::batched(&[11])).unwrap();
    let hidden = Dense { activation: Some(Activation::Tanh), ..Dense::new(13) };
    let x = builder.dense("hidden", features, &hidden).unwrap();
    let graph = finish(builder, x);
    // Partial products of 11 times 13 weights: tiles join the groups.
    check_with(&graph, 64 * 16, &["rows of", " [1,144] ", "runs=4"], true);
    check_with(&graph, 67 * 16 - 5, &["rows of", " [1,144] ", "runs=4"], true);
}

/// Rows that do not stay near are summed group by group, each behind its samples: the last group has fewer chunks.
#[test]
fn wide_dense_layers_of_large_batches() {
    let mut builder = GraphBuilder::new("wide");
    let features = builder.input("features", DType::F32, Shape::batched(&[11])).unwrap();
    let hidden = Dense { activation: Some(Activation::Tanh), ..Dense::new(300) };
    let x = builder.dense("hidden", features, &hidden).unwrap();
    let graph = finish(builder, x);
    check_with(&graph, 67 * 16 - 5, &["rows of", " [17,3312] ", "in 0..17 {"], true);
}

/// Without batch norms one kernel has gradients of both kinds of layers: those of the convolution follow their samples,
/// whatever the dense layers' do.
#[test]
fn both_kinds_of_gradients_in_one_kernel() {
    let mut builder = GraphBuilder::new("both");
    let image = builder.input("image", DType::F32, Shape::batched(&[6, 5, 1])).unwrap();
    let x = builder.conv2d("conv", image, &Conv2d::new(3, [3, 3])).unwrap();
    let x = builder.flatten("flat", x).unwrap();
    let x = builder.dense("hidden", x, &Dense { activation: Some(Activation::Tanh), ..Dense::new(11) }).unwrap();
    let graph = finish(builder, x);
    // 67 chunks are 17 groups, shared for the convolution and joined by the dense layers' tiles; nothing is shared
    // chunk by chunk.
    let batch = 67 * 16 - 5;
    check_with(&graph, batch, &["in 0..17 {", "runs=4"], true);
    let text = compile(&graph, &CompileOptions::train(batch)).unwrap().lowered.program.to_string();
    assert!(!text.lines().any(|line| line.contains("parallel") && line.ends_with("in 0..67 {")), "{text}");
}

/// One dense layer and a classifier.
fn one_wide_layer(n_features: usize, n_units: usize) -> Graph {
    let mut builder = GraphBuilder::new("wide");
    let features = builder.input("features", DType::F32, Shape::batched(&[n_features])).unwrap();
    let wide = Dense { activation: Some(Activation::Relu), ..Dense::new(n_units) };
    let x = builder.dense("wide", features, &wide).unwrap();
    finish(builder, x)
}

/// Sums of so many terms that the samples of a block of them alone stay near: they wait in their results for the next
/// block, each of which has its weights copied in panels. A bias and an activation are the epilogue of the last block.
/// Gradients are too large for a core's own cache.
#[test]
fn long_sums() {
    let waits = "init=b";
    check(&one_wide_layer(5600, 301), 37, &[waits, "packed weights"]);
    // Whole vectors of features, so that every weight is updated once: in registers, by the tiles of its gradient.
    check(&one_wide_layer(5600, 304), 37, &[waits, "nest \"gradient of wide + update of wide\""]);
}

/// Vectors of features stay near in panels alone, while rows of a large gradient are walked.
#[test]
fn panels_of_a_large_gradient() {
    check(&one_wide_layer(230, 2400), 100, &["nest \"gradient of wide + update of wide\""]);
}

/// Channels that fill no block are shared by threads with those that do.
#[test]
fn what_is_left_beside_shared_blocks() {
    let mut builder = GraphBuilder::new("rest");
    let image = builder.input("image", DType::F32, Shape::batched(&[12, 12, 23])).unwrap();
    let same = Conv2d { padding: Padding::Same, ..Conv2d::new(29, [3, 3]) };
    let x = builder.conv2d("conv", image, &same).unwrap();
    let x = builder.flatten("flat", x).unwrap();
    let graph = finish(builder, x);
    let options = |threads| CompileOptions { gradients: true, threads, ..CompileOptions::train(16) };
    let n_nests = |threads| {
        let options = CompileOptions { machine: Machine::REFERENCE, ..options(threads) };
        let text = lower(&graph, &options).unwrap().program.to_string();
        text.matches("nest \"gradient of conv\" of").count()
    };
    // One thread has a nest for what is left. Three share the blocks, and then what is left along another loop, which
    // leaves a nest of its own; sixteen take it as a part of their tasks. One more nest is the gradient of the image.
    assert_eq!([1, 3, 16].map(n_nests), [3, 4, 2]);
    for threads in [1, 3, 16] {
        let compiled = compile(&graph, &options(threads)).unwrap();
        let tensors = bindings(&compiled.lowered.backward, 1);
        run_both(compiled, &tensors).unwrap_or_else(|message| panic!("{threads} threads: {message}"));
    }
}
