//! How often random graphs have each op, and what compilers treat apart: windows of every kind, transposed matrices,
//! batches that do not stand first.

use graphc_ir::graph::{Graph, NodeId};
use graphc_ir::ops::{Conv2d, Op};
use graphc_testing::layer_graphs;
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
        Op::Conv2d(Conv2d { strides, padding, dilation, groups }) => {
            let kernel = graph.ty(graph.operands(id)[1]).shape.sizes(None);
            note("strided", *strides != [1, 1]);
            note("padded", *padding != [0; 4]);
            note("dilated", *dilation != [1, 1]);
            note("grouped", *groups > 1);
            note("depthwise", *groups > 1 && kernel[2] == 1);
            note("strided and dilated", *strides != [1, 1] && *dilation != [1, 1]);
            note("grouped and strided", *groups > 1 && *strides != [1, 1]);
            note("1x1", kernel[..2] == [1, 1]);
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

#[test]
fn the_generator_draws_everything_often() {
    let mut runner = TestRunner::deterministic();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut n_trainable, mut n_nodes) = (0, 0);
    for _ in 0..N_GRAPHS {
        let test = layer_graphs().new_tree(&mut runner).unwrap().current();
        let graph = &test.graph;
        let found: BTreeSet<String> = graph.ids().into_iter().flat_map(|id| traits(graph, id)).collect();
        found.into_iter().for_each(|what| *counts.entry(what).or_default() += 1);
        n_trainable += usize::from(is_trainable(graph));
        n_nodes += graph.len();
    }
    println!("{n_trainable} of {N_GRAPHS} are trainable; {n_nodes} nodes");
    counts.iter().for_each(|(what, n)| println!("{what}: {n}"));
}
