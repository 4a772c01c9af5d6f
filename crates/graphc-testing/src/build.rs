//! From a [`Recipe`] to a graph. A step is any op, drawn by what it says of itself, so that a new one is drawn without
//! a line here; or what networks make of several ops, a function each. `KINDS` says how often.
//!
//! A step whose choices do not type-check, or would make too large a tensor, adds nothing.

mod builder;
mod drawn;
mod patterns;

use crate::recipe::{BATCHES, Recipe, TestGraph, recipes};
use builder::Builder;
use graphc_ir::graph::{Graph, NodeId};
use graphc_ir::ops::draw::Draw;
use graphc_ir::ops::*;
use graphc_ir::types::{DType, Shape};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A step; `None` if it does not apply to the graph so far.
type Step = fn(&mut Builder) -> Option<NodeId>;

/// Every kind of step, and how often it is taken. Where compilers have most to decide is more often than other ops.
const KINDS: &[(usize, Step)] = &[
    (3, drawn::activation),
    (5, drawn::unary),
    (4, drawn::combination),
    (2, |builder| drawn::one_of(builder, &["add", "sub", "mul"])),
    (2, |builder| drawn::one_of(builder, &["matmul"])),
    (5, |builder| drawn::one_of(builder, &["conv2d"])),
    (3, |builder| drawn::one_of(builder, &["max_pool2d", "avg_pool2d"])),
    (4, |builder| drawn::one_of(builder, &["reduce_sum", "reduce_mean", "reduce_max", "reduce_variance"])),
    (3, |builder| drawn::one_of(builder, &["reshape", "transpose", "broadcast"])),
    (1, |builder| drawn::one_of(builder, &["softmax", "log_softmax"])),
    (4, drawn::loss),
    (2, |builder| drawn::one_of(builder, &["argmax", "dropout_mask"])),
    (20, drawn::other),
    (4, patterns::normalization),
    (2, patterns::normalization_of_samples),
    (1, patterns::loss_of_rows),
    (1, patterns::product_of_views),
];

/// Steps that depend on the mode; only [`crate::layer_graphs`] has them.
const LAYERS: &[(usize, Step)] = &[(7, drawn::layer)];

/// Well-typed forward graphs with a scalar loss, without anything that depends on the mode.
pub fn graphs() -> impl Strategy<Value = TestGraph> {
    recipes(false).prop_map(|recipe| build(&recipe))
}

/// Like [`graphs`], with `batch_norm` and `dropout` too; to be expanded for a mode before they are evaluated.
pub fn layer_graphs() -> impl Strategy<Value = TestGraph> {
    recipes(true).prop_map(|recipe| build(&recipe))
}

/// The graph of a recipe.
pub fn build(recipe: &Recipe) -> TestGraph {
    let batch = BATCHES[recipe.batch as usize % BATCHES.len()];
    let mut graph = Graph::new("random");
    graph.batch = Some(batch);
    let mut builder = Builder {
        graph,
        batch,
        tensors: Vec::new(),
        integers: Vec::new(),
        chosen: Vec::new(),
        bounds: BTreeMap::new(),
        choices: recipe.sizes.to_vec(),
        n_elements: 0,
        n_leaves: 0,
    };
    inputs(&mut builder);
    let kinds = if recipe.layers { [KINDS, LAYERS].concat() } else { KINDS.to_vec() };
    let kinds: Vec<Step> = kinds.into_iter().flat_map(|(often, step)| vec![step; often]).collect();
    for step in &recipe.steps {
        builder.choices = step.choices.to_vec();
        let (n_nodes, n_elements) = (builder.graph.len(), builder.n_elements);
        let made = kinds[step.kind as usize % kinds.len()](&mut builder);
        let added = builder.graph.ids().split_off(n_nodes);
        match made {
            Some(made) => {
                // Later steps may share the parameters.
                let is_parameter = |id: &NodeId| matches!(builder.graph.op(*id), Op::Parameter(_));
                let parameters: Vec<NodeId> = added.into_iter().filter(is_parameter).collect();
                builder.tensors.extend(parameters);
                builder.tensors.push(made);
            }
            None => {
                // The last first, so that new nodes take their ids in order.
                builder.integers.retain(|id| !added.contains(id));
                builder.tensors.retain(|id| !added.contains(id));
                added.into_iter().rev().for_each(|id| builder.graph.remove(id));
                builder.n_elements = n_elements;
            }
        }
    }
    finish(&mut builder);
    TestGraph { graph: builder.graph, batch }
}

/// One or two inputs: images, vectors, or both.
fn inputs(builder: &mut Builder) {
    let which = builder.pick(3);
    if which != 0 {
        let [mut h, mut w, c] = [builder.size(), builder.size(), [1, 2, 3, 8][builder.pick(4)]];
        while builder.batch * h * w * c > 3_000 {
            (h, w) = (h.div_ceil(2), w.div_ceil(2));
        }
        let images = builder.input(DType::F32, Shape::batched(&[h, w, c]));
        builder.tensors.extend(images);
    }
    if which != 1 {
        let size = builder.size();
        let vectors = builder.input(DType::F32, Shape::batched(&[size]));
        builder.tensors.extend(vectors);
    }
}

/// Loss and outputs: the loss adds mean squares of up to three of the tensors that nothing reads;
/// they and up to three more are outputs. Others stay dead code.
fn finish(builder: &mut Builder) {
    builder.choices = Vec::new();
    builder.n_elements = 0;
    let unread = |id: &NodeId| builder.graph.users(*id).is_empty();
    let sinks: Vec<NodeId> = builder.tensors.iter().rev().copied().filter(unread).take(6).collect();
    let mut loss = None;
    for &sink in sinks.iter().take(3) {
        let term = mean_square(builder, sink);
        loss = match loss {
            None => Some(term),
            Some(sum) => Some(builder.add(Add {}, &[sum, term], 0.0).expect("two scalars add")),
        };
    }
    let loss = loss.expect("the latest tensor is read by nothing");
    builder.graph.loss = Some(loss);
    builder.graph.add_output("loss", loss);
    for (i, &sink) in sinks.iter().enumerate() {
        builder.graph.add_output(&format!("output{i}"), sink);
    }
}

fn mean_square(builder: &mut Builder, x: NodeId) -> NodeId {
    let axes: Vec<usize> = (0..builder.graph.ty(x).rank()).collect();
    let square = builder.add(Mul {}, &[x, x], 0.0).expect("a tensor multiplies with itself");
    if axes.is_empty() {
        return square;
    }
    builder.add(ReduceMean { axes, keep_dims: false }, &[square], 0.0).expect("every axis of a tensor")
}
