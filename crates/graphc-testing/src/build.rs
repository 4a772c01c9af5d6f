//! From a [`Recipe`] to a graph. Each kind of step is one function; `KINDS` lists them. Elementwise ops are drawn by
//! what they say of themselves, so that a new one is drawn without a line here.
//!
//! A step whose choices do not type-check, or would make too large a tensor, adds nothing.

mod builder;
mod elementwise;
mod losses;

use crate::recipe::{BATCHES, Recipe, TestGraph, recipes};
use builder::{Builder, MAX_BOUND};
use graphc_ir::graph::{Graph, NodeId};
use graphc_ir::ops::*;
use graphc_ir::types::{DType, Dim, Shape};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Every kind of step. `None` if the step does not apply to the graph so far.
const KINDS: &[fn(&mut Builder) -> Option<NodeId>] = &[
    elementwise::activation,
    elementwise::activation,
    elementwise::unary,
    elementwise::unary,
    elementwise::combination,
    elementwise::combination,
    arithmetic,
    arithmetic,
    matrix_product,
    matrix_product,
    convolution,
    convolution,
    convolution,
    transposed_convolution,
    pooling,
    pooling,
    reduction,
    reduction,
    variance,
    normalization,
    normalization,
    row_function,
    reshaping,
    transposition,
    broadcasting,
    winner,
    random_mask,
    losses::of_rows,
    losses::of_rows,
    losses::of_values,
];

/// Steps that depend on the mode; only [`crate::layer_graphs`] has them.
const LAYERS: &[fn(&mut Builder) -> Option<NodeId>] = &[batch_norm, dropout];

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
        bounds: BTreeMap::new(),
        choices: recipe.sizes.to_vec(),
        n_elements: 0,
        n_leaves: 0,
    };
    inputs(&mut builder);
    let kinds = if recipe.layers { [KINDS, LAYERS, LAYERS].concat() } else { KINDS.to_vec() };
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

/// `add`, `sub` or `mul` with another tensor, the same one, or a parameter that broadcasts.
fn arithmetic(builder: &mut Builder) -> Option<NodeId> {
    let a = builder.tensor(|_| true)?;
    let b = builder.partner(a)?;
    let [a, b] = if builder.pick(2) == 0 { [a, b] } else { [b, a] };
    let (bound_a, bound_b) = (builder.bound(a), builder.bound(b));
    match builder.pick(3) {
        0 => builder.add(Add {}, &[a, b], bound_a + bound_b),
        1 => builder.add(Mul {}, &[a, b], bound_a * bound_b),
        _ => builder.add(Sub {}, &[a, b], bound_a + bound_b),
    }
}

/// `matmul` by a parameter from either side, or of two tensors.
fn matrix_product(builder: &mut Builder) -> Option<NodeId> {
    let a = builder.tensor(|shape| matches!(shape.rank(), 2 | 3))?;
    let shape = builder.shape(a);
    let [transpose_a, transpose_b] = [builder.pick(2) == 1, builder.pick(2) == 1];
    let inner = shape.0[if transpose_a { shape.rank() - 2 } else { shape.rank() - 1 }];
    let b = match (builder.pick(4), inner) {
        (0, _) => builder.tensor(|other| other.rank() == shape.rank())?,
        (_, Dim::Fixed(inner)) => {
            let outer = builder.size();
            let mut dims = if transpose_b { vec![outer, inner] } else { vec![inner, outer] };
            if let (3, Dim::Fixed(lead)) = (shape.rank(), shape.0[0]) {
                dims.insert(0, lead);
            }
            builder.parameter(Shape::fixed(&dims))?
        }
        (_, Dim::Batch) => return None,
    };
    let n_terms = match inner {
        Dim::Fixed(size) => size,
        Dim::Batch => builder.batch,
    };
    let bound = builder.bound(a) * builder.bound(b) * n_terms as f64;
    builder.add(MatMul { transpose_a, transpose_b }, &[a, b], bound)
}

/// `conv2d` with kernels of 1 to 3, odd strides and paddings; sometimes in groups, depthwise, or with gaps.
fn convolution(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.tensor(is_images)?;
    let Dim::Fixed(c) = builder.shape(x).0[3] else { return None };
    let [r, s, k] = [1 + builder.pick(3), 1 + builder.pick(3), builder.size()];
    let mut windows = Windows::new([1 + builder.pick(3), 1 + builder.pick(2)], [0; 4].map(|_| builder.pick(3)));
    if builder.pick(4) == 1 {
        windows.dilation = [0; 2].map(|_| 1 + builder.pick(3));
    }
    let (mut kernel, divisors) = ([r, s, c, k], (2..=c).filter(|&groups| c.is_multiple_of(groups)).collect::<Vec<_>>());
    if !divisors.is_empty() && builder.pick(2) == 1 {
        // The last divisor makes it depthwise; a filter or two, or three, in each group.
        let groups = divisors[builder.pick(divisors.len())];
        windows.groups = groups;
        kernel = [r, s, c / groups, groups * (1 + builder.pick(3))];
    }
    let n_terms = (kernel[0] * kernel[1] * kernel[2]) as f64;
    let kernel = builder.parameter(Shape::fixed(&kernel))?;
    let bound = builder.bound(x) * builder.bound(kernel) * n_terms;
    builder.add(Conv2d::of(windows), &[x, kernel], bound)
}

/// `conv2d_transpose` with kernels of 1 to 3, that cuts off and adds less than a kernel or a stride.
fn transposed_convolution(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.tensor(is_images)?;
    let Dim::Fixed(c) = builder.shape(x).0[3] else { return None };
    let (spatial, filters) = ([0; 2].map(|_| 1 + builder.pick(3)), 1 + builder.pick(4));
    let strides = [0; 2].map(|_| 1 + builder.pick(3));
    let output_padding = strides.map(|stride| builder.pick(stride));
    let padding = [spatial[0], spatial[0], spatial[1], spatial[1]].map(|size| builder.pick(size));
    let dilation = [0; 2].map(|_| 1 + builder.pick(2));
    let n_terms = (spatial[0] * spatial[1] * c) as f64;
    let kernel = builder.parameter(Shape::fixed(&[spatial[0], spatial[1], filters, c]))?;
    let bound = builder.bound(x) * builder.bound(kernel) * n_terms;
    builder.add(Conv2dTranspose { strides, padding, output_padding, dilation }, &[x, kernel], bound)
}

fn is_images(shape: &Shape) -> bool {
    shape.rank() == 4 && shape.batch_axis() == Some(0)
}

/// Pools, overlapping and padded too.
fn pooling(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.tensor(is_images)?;
    let pool = [1 + builder.pick(3), 1 + builder.pick(3)];
    let strides = [1 + builder.pick(3), 1 + builder.pick(3)];
    let mut padding = [0; 4];
    if builder.pick(2) == 1 {
        // Less than the window, so that no window lies in the padding alone.
        padding = [pool[0], pool[0], pool[1], pool[1]].map(|size| builder.pick(size));
    }
    let bound = builder.bound(x);
    match builder.pick(2) {
        0 => builder.add(MaxPool2d { pool, strides, padding }, &[x], bound),
        _ => builder.add(AvgPool2d { pool, strides, padding }, &[x], bound),
    }
}

/// Sum, mean or maximum over some axes, the batch among them or not.
fn reduction(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.tensor(|shape| shape.rank() > 0)?;
    let axes = builder.axes(x)?;
    let keep_dims = builder.pick(2) == 1;
    let bound = builder.bound(x);
    let sum_bound = bound * builder.n_terms(x, &axes) as f64;
    match builder.pick(3) {
        0 => builder.add(ReduceSum { axes, keep_dims }, &[x], sum_bound),
        1 => builder.add(ReduceMean { axes, keep_dims }, &[x], bound),
        _ => builder.add(ReduceMax { axes, keep_dims }, &[x], bound),
    }
}

fn variance(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.tensor(|shape| shape.rank() > 0)?;
    let axes = builder.axes(x)?;
    let keep_dims = builder.pick(2) == 1;
    let bound = builder.bound(x).powi(2);
    builder.add(ReduceVariance { axes, keep_dims }, &[x], bound)
}

/// What a batch normalisation expands to: statistics over all dimensions but the last, then `normalize`.
fn normalization(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.tensor(|shape| shape.rank() >= 2 && shape.0[shape.rank() - 1] != Dim::Batch)?;
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

/// `softmax` or `log_softmax`.
fn row_function(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.tensor(|shape| shape.rank() > 0)?;
    match builder.pick(2) {
        0 => builder.add(Softmax {}, &[x], 1.0),
        _ => builder.add(LogSoftmax {}, &[x], 2.0 * builder.bound(x) + 3.0),
    }
}

/// Dimensions after the batch flattened, or a factor split off.
fn reshaping(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.tensor(|shape| shape.batch_axis().is_none_or(|axis| axis == 0))?;
    let from = builder.shape(x);
    let len = from.fixed_len();
    let mut dims: Vec<Dim> = from.batch_axis().map(|_| Dim::Batch).into_iter().collect();
    let factors: Vec<usize> = (1..=len).filter(|factor| len.is_multiple_of(*factor)).collect();
    match builder.pick(3) {
        0 => dims.push(len.into()),
        1 => {
            let factor = factors[builder.pick(factors.len())];
            dims.extend([Dim::Fixed(factor), Dim::Fixed(len / factor)]);
        }
        _ => {
            let factor = factors[builder.pick(factors.len())];
            dims.extend([Dim::Fixed(len / factor), Dim::Fixed(1), Dim::Fixed(factor)]);
        }
    }
    builder.add(Reshape { shape: Shape(dims) }, &[x], builder.bound(x))
}

/// Any permutation; two times in three the batch stays where it is.
fn transposition(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.tensor(|shape| shape.rank() >= 2)?;
    let shape = builder.shape(x);
    let mut rest: Vec<usize> = (0..shape.rank()).collect();
    let mut perm = Vec::new();
    if shape.batch_axis() == Some(0) && builder.pick(3) != 2 {
        perm.push(rest.remove(0));
    }
    while !rest.is_empty() {
        // The last first, so that the simplest choice is not the identity.
        let choice = rest.len() - 1 - builder.pick(rest.len());
        perm.push(rest.remove(choice));
    }
    builder.add(Transpose { perm }, &[x], builder.bound(x))
}

/// `broadcast` along a new leading dimension or one of size 1.
fn broadcasting(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.tensor(|shape| shape.rank() < 4)?;
    let mut shape = builder.shape(x);
    for axis in 0..shape.rank() {
        if shape.0[axis] == Dim::Fixed(1) && builder.pick(2) == 0 {
            shape.0[axis] = builder.size().into();
        }
    }
    let lead = builder.pick(3);
    if lead == 1 && shape.batch_axis().is_none() {
        shape.0.insert(0, Dim::Batch);
    } else if lead == 2 {
        let size = builder.size();
        shape.0.insert(0, size.into());
    }
    builder.add(Broadcast { shape }, &[x], builder.bound(x))
}

/// `one_hot(argmax(x + parameter))`, or whether that is the label.
fn winner(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.tensor(|shape| matches!(shape.0.last(), Some(Dim::Fixed(_))) && shape.rank() < 4)?;
    let shape = builder.shape(x);
    let axis = shape.rank() - 1;
    let Dim::Fixed(depth) = shape.0[axis] else { return None };
    // Ties between values that differ by rounding only are unlikely after this.
    let offsets = builder.parameter(Shape::fixed(&[depth]))?;
    let shifted = builder.add(Add {}, &[x, offsets], builder.bound(x) + builder.bound(offsets))?;
    let best = builder.add(Argmax { axis }, &[shifted], depth as f64)?;
    if builder.pick(2) == 0 {
        return builder.add(OneHot { depth }, &[best], 1.0);
    }
    let labels = builder.input(DType::I32, Shape(shape.0[..axis].to_vec()))?;
    builder.add(Equal {}, &[best, labels], 1.0)
}

/// A tensor times a `dropout_mask`.
fn random_mask(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.tensor(|shape| shape.batch_axis().is_none_or(|axis| axis == 0))?;
    let shape = builder.shape(x);
    let step = builder.input(DType::I32, Shape::scalar())?;
    let seed = builder.pick(5) as i64;
    let mask = builder.add(DropoutMask { rate: 0.375, seed, shape }, &[step], 1.6)?;
    builder.add(Mul {}, &[x, mask], 1.6 * builder.bound(x))
}

/// `batch_norm` with its four parameters.
fn batch_norm(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.tensor(|shape| shape.rank() >= 2 && shape.batch_axis() == Some(0))?;
    let Some(&Dim::Fixed(c)) = builder.shape(x).0.last() else { return None };
    let mut operands = vec![x];
    for is_state in [false, false, true, true] {
        let trainable = !is_state && builder.pick(4) != 3;
        operands.push(builder.parameter_of(Shape::fixed(&[c]), trainable)?);
    }
    let axes: Vec<usize> = (0..builder.graph.ty(x).rank() - 1).collect();
    let bound = 2.0 * (builder.n_terms(x, &axes) as f64).sqrt() + builder.bound(x) * 4.0;
    builder.add(BatchNorm { momentum: 0.9, epsilon: 1e-2 }, &operands, bound)
}

/// `dropout` with a step of its own.
fn dropout(builder: &mut Builder) -> Option<NodeId> {
    let x = builder.tensor(|shape| shape.batch_axis() == Some(0))?;
    let step = builder.input(DType::I32, Shape::scalar())?;
    let seed = builder.pick(5) as i64;
    builder.add(Dropout { rate: 0.25, seed }, &[x, step], 1.4 * builder.bound(x))
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
