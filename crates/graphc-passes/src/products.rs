//! A rule about sums of products over the batch, used by `simplify`. The gradient of weights that are used at many
//! steps is a sum of one product a step. It becomes one product, over the batch and the steps:
//!
//! ```text
//! %2 = matmul(%h1, %d1) {transpose_a=true}     =>   %4 = einsum(concat(%h1, %h2), concat(%d1, %d2)) {"ntk,ntm->km"}
//! %3 = matmul(%h2, %d2) {transpose_a=true}
//! %4 = add(%3, %2)
//! ```
//!
//! Steps stand in the order in which they are used: the gradient of the last one is the first term.

use crate::rewrite::is_read_only_by;
use graphc_ir::graph::{Graph, NodeId, OpCx};
use graphc_ir::ops::{Concat, Einsum, MatMul, Op};
use graphc_ir::types::{Dim, Shape};

/// A product over the batch and steps.
const OVER_STEPS: &str = "ntk,ntm->km";

/// The dimension of the steps.
const STEPS: usize = 1;

/// The factors of each product of a sum: `[N,k]` and `[N,m]`, or `[N,t,k]` and `[N,t,m]`.
fn factors(graph: &Graph, node: NodeId) -> Option<Vec<[NodeId; 2]>> {
    let [a, b] = graph.operands(node)[..] else { return None };
    match graph.op(node) {
        Op::MatMul(MatMul { transpose_a: true, transpose_b: false }) => {
            let is_row = |id: NodeId| matches!(graph.ty(id).shape.0[..], [Dim::Batch, Dim::Fixed(_)]);
            (is_row(a) && is_row(b)).then(|| vec![[a, b]])
        }
        Op::Einsum(einsum) if einsum.equation == OVER_STEPS => {
            let parts = |id: NodeId| match graph.op(id) {
                Op::Concat(Concat { axis: STEPS }) => Some(graph.operands(id)),
                _ => None,
            };
            let (a, b) = (parts(a)?, parts(b)?);
            let n_steps = |id: &NodeId| graph.ty(*id).shape.0[STEPS];
            let are_alike = a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| n_steps(a) == n_steps(b));
            are_alike.then(|| a.into_iter().zip(b).map(|(a, b)| [a, b]).collect())
        }
        _ => None,
    }
}

// aT b + cT d => one product of [c; a] and [d; b], where the factors of a step are fewer words than its product
pub(crate) fn sum_of_products(cx: &mut OpCx<'_>) -> Option<NodeId> {
    let &[Dim::Fixed(k), Dim::Fixed(m)] = &cx.ty(cx.node).shape.0[..] else { return None };
    (cx.graph.batch? * (k + m) <= k * m).then_some(())?;
    let [last, first] = cx.operands[..] else { return None };
    let is_own = |&id: &NodeId| is_read_only_by(cx.graph, id, cx.node) && cx.ty(id) == cx.ty(cx.node);
    [first, last].iter().all(is_own).then_some(())?;
    let mut products = factors(cx.graph, first)?;
    products.extend(factors(cx.graph, last)?);
    let stacked = [0, 1].map(|side| {
        let steps: Vec<NodeId> = products.iter().map(|factors| as_steps(cx, factors[side])).collect();
        cx.add(Concat { axis: STEPS }, &steps)
    });
    Some(cx.add(Einsum { equation: OVER_STEPS.into() }, &stacked))
}

/// `[N,k]` as one step, `[N,1,k]`.
fn as_steps(cx: &mut OpCx<'_>, factor: NodeId) -> NodeId {
    match cx.ty(factor).shape.0[..] {
        [n, size] => cx.reshaped(factor, &Shape(vec![n, Dim::Fixed(1), size])),
        _ => factor,
    }
}
