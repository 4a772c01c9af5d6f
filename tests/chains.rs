//! Chains of many elementwise operations: sweeps and epilogues end where their limits are, all of their loops are
//! assembled, and what is compiled follows the number of operations.

use crate::common::engines::{OTHER_ISAS, compare_isas, run_both};
use graphc_codegen::{CodegenOptions, select};
use graphc_driver::{CompileOptions, Lowered, Machine, compile, lower};
use graphc_ir::graph::Graph;
use graphc_ir::graph::builder::{GraphBuilder, Loss};
use graphc_ir::graph::plan::GroupKind;
use graphc_ir::layers::{Activation, Conv2d, Dense};
use graphc_ir::ops::{Add, Mul, Sub};
use graphc_ir::{DType, NodeId, Optimizer, Shape};
use graphc_testing::bindings;

/// What a chain is made of, over and over.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// A ReLU, plus and times the first value.
    Cheap,
    /// `tanh` and `sigmoid`.
    Functions,
    /// Sums with the value before the last one, so that each is read twice.
    Residual,
    /// Differences from an input, which no gradient needs: all an epilogue, if that had no limit.
    Differences,
}

const KINDS: [Kind; 4] = [Kind::Cheap, Kind::Functions, Kind::Residual, Kind::Differences];

/// Adds the `i`-th operation behind `last`.
fn link(builder: &mut GraphBuilder, kind: Kind, i: usize, [other, first, before, last]: [NodeId; 4]) -> NodeId {
    let name = format!("link{i}");
    let [relu, tanh, sigmoid] = [Activation::Relu, Activation::Tanh, Activation::Sigmoid];
    let linked = match (kind, i % 4) {
        (Kind::Cheap, 0 | 2) => builder.activation(&name, last, relu),
        (Kind::Cheap, 1) => builder.op(&name, Add {}, &[last, first]),
        (Kind::Cheap, _) => builder.op(&name, Mul {}, &[last, first]),
        (Kind::Functions, 0 | 2) => builder.activation(&name, last, tanh),
        (Kind::Functions, _) => builder.activation(&name, last, sigmoid),
        (Kind::Residual, 1 | 3) => builder.op(&name, Add {}, &[last, before]),
        (Kind::Residual, _) => builder.activation(&name, last, sigmoid),
        (Kind::Differences, _) => builder.op(&name, Sub {}, &[last, other]),
    };
    linked.unwrap()
}

/// A dense layer or convolution, a chain, and a classifier.
fn chain(kind: Kind, n: usize, is_convolution: bool) -> Graph {
    let mut builder = GraphBuilder::new("chain");
    let first = if is_convolution {
        let image = builder.input("image", DType::F32, Shape::batched(&[6, 6, 2])).unwrap();
        builder.conv2d("first", image, &Conv2d::new(5, [3, 3])).unwrap()
    } else {
        let features = builder.input("features", DType::F32, Shape::batched(&[12])).unwrap();
        builder.dense("first", features, &Dense::new(24)).unwrap()
    };
    let shape = if is_convolution { Shape::batched(&[4, 4, 5]) } else { Shape::batched(&[24]) };
    let other = builder.input("other", DType::F32, shape).unwrap();
    let (mut before, mut last) = (first, first);
    for i in 0..n {
        (before, last) = (last, link(&mut builder, kind, i, [other, first, before, last]));
    }
    if is_convolution {
        last = builder.flatten("flat", last).unwrap();
    }
    let label = builder.input("label", DType::I32, Shape::batched(&[])).unwrap();
    let classes = Dense { activation: Some(Activation::Softmax), ..Dense::new(10) };
    let classes = builder.dense("classes", last, &classes).unwrap();
    builder.loss(Loss::CategoricalCrossentropy, classes, label).unwrap();
    builder.optimizer(Optimizer::adam(0.01));
    builder.finish()
}

fn lowered(kind: Kind, n: usize, is_convolution: bool) -> Lowered {
    let options = CompileOptions { machine: Machine::REFERENCE, ..CompileOptions::train(64) };
    lower(&chain(kind, n, is_convolution), &options).unwrap()
}

/// Loops and epilogues that are left to Cranelift.
fn n_plain(lowered: &Lowered) -> usize {
    let options = CompileOptions { machine: Machine::REFERENCE, ..CompileOptions::train(64) };
    let counts = select(&lowered.program, &options.target().unwrap(), &CodegenOptions::default()).counts();
    counts.loops.n_plain() + counts.epilogues.n_plain() + counts.tiles.n_plain()
}

#[test]
fn chains_are_cut_for_a_reason() {
    for kind in KINDS {
        let lowered = lowered(kind, 100, false);
        let plan = &lowered.plan;
        for group in plan.kernels.iter().flat_map(|kernel| kernel.groups()) {
            let n_nodes = group.nodes().len();
            let most = if group.kind == GroupKind::Sweep { 128 } else { 16 + 4 };
            assert!(n_nodes <= most, "{kind:?}: {n_nodes} nodes in one nest");
        }
        let reason = match kind {
            Kind::Cheap | Kind::Functions | Kind::Residual => "operations one after another, more than 40",
            Kind::Differences => "operations for each accumulator, more than 16",
        };
        let has_reason = plan.decisions.iter().any(|decision| decision.text.contains(reason));
        assert!(has_reason, "{kind:?}: no {reason:?} in\n{:#?}", plan.decisions);
    }
}

#[test]
fn long_chains_are_assembled() {
    for (kind, is_convolution) in KINDS.into_iter().flat_map(|kind| [(kind, false), (kind, true)]) {
        let [short, long] = [4, 100].map(|n| n_plain(&lowered(kind, n, is_convolution)));
        assert!(long <= short, "{kind:?}, convolution {is_convolution}: {long} plain loops, {short} in a short chain");
    }
}

/// Twice the operations are twice the statements, though values are recomputed.
#[test]
fn what_is_compiled_follows_the_length_of_a_chain() {
    for (kind, is_convolution) in KINDS.into_iter().flat_map(|kind| [(kind, false), (kind, true)]) {
        let sizes = [50, 100, 200, 400].map(|n| lowered(kind, n, is_convolution).program.to_string().lines().count());
        for two in sizes.windows(2) {
            assert!(10 * two[1] <= 22 * two[0], "{kind:?}, convolution {is_convolution}: {sizes:?} lines");
        }
    }
}

/// Machine code, the loop interpreter and other instructions come to the same bits: values in slots of the table,
/// pointers without registers, loops that are one.
#[test]
fn chains_have_the_same_bits_everywhere() {
    for (kind, is_convolution) in KINDS.into_iter().flat_map(|kind| [(kind, false), (kind, true)]) {
        let graph = chain(kind, 40, is_convolution);
        for batch in [3, 8, 37] {
            let options = CompileOptions { gradients: true, ..CompileOptions::train(batch) };
            let compiled = compile(&graph, &options).unwrap();
            let tensors = bindings(&compiled.lowered.backward, 1);
            let (_, memory) = run_both(compiled, &tensors).unwrap_or_else(|message| panic!("{kind:?}: {message}"));
            compare_isas(&graph, &options, &OTHER_ISAS, &tensors, &memory)
                .unwrap_or_else(|message| panic!("{kind:?}, batch {batch}: {message}"));
        }
    }
}
