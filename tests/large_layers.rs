//! Layers large enough for what small random graphs never reach: weights that are packed, several chunks of samples for one block of
//! weights, images cut into strips, rows asked for ahead of time. Machine code against the loop interpreter and other instructions.

#[path = "common/engines.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod engines;

use engines::{compare_isas, run_both};
use graphc_codegen::Isa;
use graphc_driver::{CompileOptions, compile};
use graphc_ir::graph::Graph;
use graphc_ir::graph::builder::{Activation, Convolution, Dense, GraphBuilder, Loss, Padding};
use graphc_ir::{DType, NodeId, Optimizer, Shape};
use graphc_testing::bindings;

/// Adds a classifier of ten classes and trains everything with Adam.
fn finish(mut builder: GraphBuilder, features: NodeId) -> Graph {
    let label = builder.input("label", DType::I32, Shape::batched(&[])).unwrap();
    let classes = Dense { activation: Some(Activation::Softmax), ..Dense::new(10) };
    let classes = builder.dense("classes", features, &classes).unwrap();
    builder.loss(Loss::CategoricalCrossentropy, classes, label).unwrap();
    builder.optimizer(Optimizer::adam(0.01));
    builder.finish()
}

/// One training step at that batch size; the loop program must contain all of `marks`.
fn check(graph: &Graph, batch: usize, marks: &[&str]) {
    let options = CompileOptions { gradients: true, ..CompileOptions::train(batch) };
    let compiled = compile(graph, &options).unwrap();
    let text = compiled.lowered.program.to_string();
    for mark in marks {
        assert!(text.contains(mark), "batch {batch}: no {mark:?} in the loop program");
    }
    let tensors = bindings(&compiled.lowered.backward, 1);
    let (_, memory) = run_both(compiled, &tensors).unwrap_or_else(|message| panic!("batch {batch}: {message}"));
    compare_isas(graph, &options, &[Isa::Fma, Isa::Portable], &tensors, &memory)
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
        let relu = Some(Activation::Relu);
        let convolution = |filters| Convolution { activation: relu, padding, ..Convolution::new(filters, [3, 5]) };
        let conv = builder.conv2d("conv1", image, &convolution(7)).unwrap();
        let conv = builder.conv2d("conv2", conv, &convolution(5)).unwrap();
        let flat = builder.flatten("flat", conv).unwrap();
        let graph = finish(builder, flat);
        check(&graph, 16, &["accumulators of"]);
        check(&graph, 70, &["accumulators of"]);
    }
}
