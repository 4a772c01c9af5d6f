//! How often random graphs have each op, and what compilers treat apart: windows of every kind, transposed matrices,
//! batches that do not stand first.

use graphc_ir::graph::{Graph, NodeId};
use graphc_ir::ops::{Conv2d, Op};
use graphc_testing::layer_graphs;
use graphc_testing::recipe::BATCHES;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, BTreeSet};

const N_GRAPHS: usize = 2000;

/// What is counted of a node beside its op.
fn traits(graph: &Graph, id: NodeId) -> Vec<String> {
    let op = graph.op(id);
    let mut traits = vec![op.name().to_string()];
    let mut note = |what: &str, holds: bool| {
        if holds {
            traits.push(format!("{} {what}", op.name()));
        }
    };
    match op {
        Op::Conv2d(Conv2d { strides, padding, dilation, groups, algorithm }) => {
            let kernel = graph.ty(graph.operands(id)[1]).shape.sizes(None);
            note("strided", *strides != [1, 1]);
            note("padded", *padding != [0; 4]);
            note("dilated", *dilation != [1, 1]);
            note("grouped", *groups > 1);
            note("depthwise", *groups > 1 && kernel[2] == 1);
            note("strided and dilated", *strides != [1, 1] && *dilation != [1, 1]);
            note("grouped and strided", *groups > 1 && *strides != [1, 1]);
            note("1x1", kernel[..2] == [1, 1]);
            note(algorithm.name(), true);
        }
        Op::MaxPool2d(pool) => pools(&mut note, pool.pool, pool.strides, pool.padding),
        Op::AvgPool2d(pool) => pools(&mut note, pool.pool, pool.strides, pool.padding),
        Op::MatMul(product) => {
            let [a, b] = [product.transpose_a, product.transpose_b];
            note(&format!("transposes {a} {b}"), true);
            note("of rank 3", graph.ty(id).rank() == 3);
            let has_batch = |id: NodeId| graph.ty(id).shape.batch_axis().is_some();
            note("sums over the batch", !has_batch(id) && graph.operands(id).into_iter().any(has_batch));
        }
        Op::ReduceSum(reduction) => reductions(&mut note, graph, id, &reduction.axes, reduction.keep_dims),
        Op::ReduceMean(reduction) => reductions(&mut note, graph, id, &reduction.axes, reduction.keep_dims),
        Op::ReduceMax(reduction) => reductions(&mut note, graph, id, &reduction.axes, reduction.keep_dims),
        Op::ReduceVariance(reduction) => reductions(&mut note, graph, id, &reduction.axes, reduction.keep_dims),
        _ => {}
    }
    if graph.operands(id).is_empty() {
        return traits;
    }
    match graph.ty(id).shape.batch_axis() {
        Some(axis) if axis > 0 => traits.push("batch elsewhere".to_string()),
        None if graph.ty(id).rank() > 0 => traits.push("no batch".to_string()),
        _ => {}
    }
    traits
}

fn pools(note: &mut impl FnMut(&str, bool), pool: [usize; 2], strides: [usize; 2], padding: [usize; 4]) {
    let overlaps = strides[0] < pool[0] || strides[1] < pool[1];
    note("overlapping", overlaps);
    note("padded", padding != [0; 4]);
    note("overlapping and padded", overlaps && padding != [0; 4]);
    note("with gaps", strides[0] > pool[0] || strides[1] > pool[1]);
}

fn reductions(note: &mut impl FnMut(&str, bool), graph: &Graph, id: NodeId, axes: &[usize], keep_dims: bool) {
    let batch = graph.ty(graph.operands(id)[0]).shape.batch_axis();
    note("over the batch", batch.is_some_and(|axis| axes.contains(&axis)));
    note("that keeps dimensions", keep_dims);
}

/// Whether the loss depends on a parameter that is trained.
fn is_trainable(graph: &Graph) -> bool {
    let (mut seen, mut pending) = (BTreeSet::new(), Vec::from_iter(graph.loss));
    while let Some(id) = pending.pop() {
        if seen.insert(id) {
            pending.extend(graph.operands(id));
        }
    }
    seen.into_iter().any(|id| matches!(graph.op(id), Op::Parameter(parameter) if parameter.trainable))
}

/// Of 2,000 graphs at least so many have it, about half of what it was when this was written.
const AT_LEAST: &[(&str, usize)] = &[
    ("conv2d", 270),
    ("conv2d strided", 230),
    ("conv2d padded", 260),
    ("conv2d dilated", 55),
    ("conv2d strided and dilated", 50),
    ("conv2d grouped", 110),
    ("conv2d grouped and strided", 90),
    ("conv2d depthwise", 90),
    ("conv2d 1x1", 40),
    ("max_pool2d overlapping and padded", 25),
    ("max_pool2d with gaps", 55),
    ("avg_pool2d overlapping and padded", 25),
    ("avg_pool2d with gaps", 50),
    ("matmul transposes false false", 60),
    ("matmul transposes false true", 60),
    ("matmul transposes true false", 55),
    ("matmul transposes true true", 50),
    ("matmul of rank 3", 25),
    ("matmul sums over the batch", 75),
    ("reduce_sum over the batch", 105),
    ("reduce_mean over the batch", 900),
    ("reduce_max over the batch", 65),
    ("reduce_variance over the batch", 300),
    ("reduce_sum that keeps dimensions", 60),
    ("batch elsewhere", 95),
    ("no batch", 600),
    ("batch_norm", 260),
    ("dropout", 260),
];

#[test]
fn everything_is_drawn_often() {
    let mut runner = TestRunner::deterministic();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut batches = BTreeSet::new();
    let (mut n_trainable, mut n_nodes) = (0, 0);
    for _ in 0..N_GRAPHS {
        let test = layer_graphs().new_tree(&mut runner).unwrap().current();
        let graph = &test.graph;
        let found: BTreeSet<String> = graph.ids().into_iter().flat_map(|id| traits(graph, id)).collect();
        found.into_iter().for_each(|what| *counts.entry(what).or_default() += 1);
        batches.insert(test.batch);
        n_trainable += usize::from(is_trainable(graph));
        n_nodes += graph.len();
    }
    eprintln!("{n_trainable} of {N_GRAPHS} graphs are trainable; {n_nodes} nodes");
    counts.iter().for_each(|(what, n)| eprintln!("{what}: {n}"));
    let every_op = Op::ALL.iter().filter(|info| info.not_drawn.is_none()).map(|info| (info.name, 10));
    for (what, least) in every_op.chain(AT_LEAST.iter().copied()) {
        let found = counts.get(what).copied().unwrap_or(0);
        assert!(found >= least, "{what}: in {found} graphs");
    }
    assert!(n_trainable * 10 >= N_GRAPHS * 7, "only {n_trainable} graphs are trainable");
    assert_eq!(batches.len(), BATCHES.len());
}
