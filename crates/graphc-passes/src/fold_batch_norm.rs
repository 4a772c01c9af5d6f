//! `fold_batch_norm`: inference-mode normalisation becomes part of the weights before it.
//!
//! Input: a graph in inference mode, `batch_norm` expanded. Output: a `conv2d` or `matmul`, with or
//! without a bias, whose only reader is a `normalize` by moving statistics reads scaled weights
//! instead, and the `normalize` is gone. The scaled weights are nodes of parameters alone, which
//! the schedule computes in the program's prologue: the result stays a function of the parameters,
//! and weights can be exchanged without compiling again.
//! Must hold: never in training mode, where the statistics depend on the batch; never if something
//! else reads the value before the normalisation, which would then be computed twice. A scale that is infinite gives
//! NaN where the normalisation gives an infinity: what is not finite stays so.
//!
//! ```text
//! %5 = conv2d(%x, %kernel)                          %s = div(%gamma, sqrt(%variance + 0.001))
//! %6 = add(%5, %bias)                          =>   %w = mul(%kernel, %s)
//! %7 = normalize(%6, %mean, %variance, …)           %c = conv2d(%x, %w)
//!                                                   %7 = add(%c, (%bias - %mean) * %s + %beta)
//! ```

use crate::report::{Report, label};
use crate::rewrite::{is_read_only_by, replace};
use graphc_ir::graph::{Graph, Mode, NodeId, OpCx};
use graphc_ir::ops::{MatMul, Op, Sqrt};
use graphc_ir::types::{Dim, Shape};
use std::collections::BTreeSet;

/// See the module.
pub fn run(graph: &mut Graph) -> Report {
    let mut report = Report::unchanged();
    if graph.mode != Some(Mode::Infer) {
        report.refuse("only inference uses moving statistics; in training a normalisation depends on the batch");
        return report;
    }
    let mut fixed = parameter_only(graph);
    for id in graph.topo_order() {
        if !matches!(graph.op(id), Op::Normalize(_)) {
            continue;
        }
        let what = label(graph, id);
        match recognise(graph, &fixed, id) {
            Ok(site) => {
                report.change(format!("{what} folded into {}", label(graph, site.contraction)));
                fold(graph, &mut fixed, id, &site);
            }
            Err(reason) => report.refuse(format!("{what}: {reason}")),
        }
    }
    report
}

/// A contraction, perhaps a bias, and the normalisation that reads it.
struct Site {
    contraction: NodeId,
    bias: Option<NodeId>,
}

/// The contraction that a normalisation can be folded into, or why there is none. What is `fixed` depends on
/// parameters alone.
fn recognise(graph: &Graph, fixed: &BTreeSet<NodeId>, normalize: NodeId) -> Result<Site, String> {
    let operands = graph.operands(normalize);
    let channels = Shape(graph.ty(operands[0]).shape.0.last().copied().into_iter().collect());
    for &operand in &operands[1..] {
        if !fixed.contains(&operand) {
            return Err(format!("{} depends on the input", label(graph, operand)));
        }
        if graph.ty(operand).shape != channels {
            return Err(format!("{} is not one number per channel", label(graph, operand)));
        }
    }
    let is_single = |id: NodeId, user: NodeId| match is_read_only_by(graph, id, user) {
        true => Ok(()),
        false => Err(format!("{} is read elsewhere too", label(graph, id))),
    };
    let x = operands[0];
    let (contraction, bias) = match graph.op(x) {
        Op::Add(_) => split_bias(graph, x, fixed, &channels).ok_or(format!("{} adds no bias", label(graph, x)))?,
        _ => (x, None),
    };
    if !matches!(graph.op(contraction), Op::Conv2d(_) | Op::MatMul(_)) {
        return Err(format!("{} is neither conv2d nor matmul", label(graph, contraction)));
    }
    if !fixed.contains(&graph.operands(contraction)[1]) {
        return Err(format!("the weights of {} depend on the input", label(graph, contraction)));
    }
    is_single(x, normalize)?;
    if contraction != x {
        is_single(contraction, x)?;
    }
    Ok(Site { contraction, bias })
}

/// `(contraction, bias)` of their sum.
fn split_bias(
    graph: &Graph,
    sum: NodeId,
    fixed: &BTreeSet<NodeId>,
    channels: &Shape,
) -> Option<(NodeId, Option<NodeId>)> {
    let operands = graph.operands(sum);
    let is_bias = |id: NodeId| fixed.contains(&id) && graph.ty(id).shape == *channels;
    match (is_bias(operands[0]), is_bias(operands[1])) {
        (false, true) => Some((operands[0], Some(operands[1]))),
        (true, false) => Some((operands[1], Some(operands[0]))),
        _ => None,
    }
}

/// Nodes that depend on parameters and constants alone.
fn parameter_only(graph: &Graph) -> BTreeSet<NodeId> {
    let mut fixed = BTreeSet::new();
    for id in graph.topo_order() {
        let is_varying = matches!(graph.op(id), Op::Input(_)) || graph.ty(id).shape.0.contains(&Dim::Batch);
        if !is_varying && graph.operands(id).iter().all(|operand| fixed.contains(operand)) {
            fixed.insert(id);
        }
    }
    fixed
}

/// `normalize(x · w + b, …) => x · (w * s) + ((b - mean) * s + beta)`, `s = gamma / sqrt(variance + epsilon)`
///
/// The new nodes may have numbers of nodes that are gone, so `fixed` is told of all of them.
fn fold(graph: &mut Graph, fixed: &mut BTreeSet<NodeId>, normalize: NodeId, site: &Site) {
    let Op::Normalize(op) = graph.op(normalize).clone() else { unreachable!("recognised") };
    let contraction = graph.node(site.contraction).clone();
    let [images, weights] = graph.operands(site.contraction)[..] else { unreachable!("two operands") };
    let weights_name = format!("{}.folded", graph.node(weights).name);

    let mode = Mode::Infer;
    let mut cx = OpCx::new(graph, normalize, mode, None);
    let [_, mean, variance, gamma, beta] = cx.operands[..] else { unreachable!("five operands") };
    let epsilon = cx.constant(op.epsilon);
    let shifted = cx.plus(variance, epsilon);
    let deviation = cx.add(Sqrt {}, &[shifted]);
    let scale = cx.over(gamma, deviation);
    let centre = match site.bias {
        Some(bias) => cx.minus(bias, mean),
        None => cx.negative(mean),
    };
    let scaled_centre = cx.times(centre, scale);
    let bias = cx.plus(scaled_centre, beta);

    let mut cx = OpCx::new(graph, site.contraction, mode, None);
    // Output channels are the last dimension of the weights, the first of the two if they are transposed.
    let factor = match contraction.op {
        Op::MatMul(MatMul { transpose_b: true, .. }) => {
            let channels = cx.ty(scale).shape.0[0];
            cx.reshaped(scale, &Shape(vec![channels, Dim::Fixed(1)]))
        }
        _ => scale,
    };
    let weights = cx.add_named(graphc_ir::ops::Mul {}, &[weights, factor], &weights_name);
    let product = cx.add_named(contraction.op, &[images, weights], &contraction.name);
    let value = cx.plus(product, bias);
    fixed.extend([epsilon, shifted, deviation, centre, scaled_centre, bias, scale, factor, weights]);
    [product, value].iter().for_each(|varying| {
        fixed.remove(varying);
    });
    replace(graph, normalize, value);
}
