//! The reverse walk: from the loss back to every trainable parameter.
//!
//! Only *active* nodes get a gradient: those that depend on a trainable parameter and that the
//! loss depends on. So the first convolution has no input gradient. A rule computes the gradients of
//! all operands at once; what it made for an inactive operand is unread and removed by
//! [`crate::differentiate`].

use crate::error::AutodiffError;
use graphc_ir::graph::{Graph, NodeId, OpCx, Role};
use graphc_ir::ops::{Add, Constant, Expand, Op};
use graphc_ir::types::{DType, Shape, TensorType};
use std::collections::{BTreeMap, BTreeSet};

/// The gradient of the loss by one trainable parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gradient {
    /// A trainable `parameter` node.
    pub parameter: NodeId,
    /// Its gradient, of the same type.
    pub value: NodeId,
}

/// Adds the gradient of the loss by every trainable parameter, in order of parameter id.
///
/// # Errors
/// See [`crate::differentiate`].
pub fn gradients(graph: &mut Graph) -> Result<Vec<Gradient>, AutodiffError> {
    let loss = graph.loss.ok_or(AutodiffError::NoLoss)?;
    let mode = graph.mode.ok_or(AutodiffError::NoMode)?;
    if *graph.ty(loss) != TensorType::f32(Shape::scalar()) {
        return Err(AutodiffError::LossType(graph.ty(loss).clone()));
    }
    let parameters = trainable(graph);
    let active = active_nodes(graph, loss, &parameters);
    refuse_unexpanded(graph, &active)?;

    let mut sums = BTreeMap::new();
    if active.contains(&loss) {
        sums.insert(loss, constant_like(graph, loss, 1.0));
    }
    for id in graph.topo_order().into_iter().rev().filter(|id| active.contains(id)) {
        let is_leaf = graph.operands(id).is_empty();
        let Some(&dy) = sums.get(&id).filter(|_| !is_leaf) else { continue };
        let op = graph.op(id).clone();
        let mut cx = OpCx::new(graph, id, mode, Some(Role::Gradient));
        let operands = cx.operands.clone();
        let terms = op.vjp(&mut cx, dy);
        for (operand, term) in operands.into_iter().zip(terms) {
            if let Some(term) = term.filter(|_| active.contains(&operand)) {
                accumulate(graph, &mut sums, operand, term);
            }
        }
    }
    Ok(parameters.into_iter().map(|parameter| finish(graph, &sums, parameter)).collect())
}

/// Trainable parameters by id.
fn trainable(graph: &Graph) -> Vec<NodeId> {
    let is_trainable = |id: &NodeId| matches!(graph.op(*id), Op::Parameter(parameter) if parameter.trainable);
    graph.ids().into_iter().filter(is_trainable).collect()
}

/// Nodes on a path of `f32` values from a trainable parameter to the loss.
fn active_nodes(graph: &Graph, loss: NodeId, parameters: &[NodeId]) -> BTreeSet<NodeId> {
    let order = graph.topo_order();
    let mut dependent: BTreeSet<NodeId> = parameters.iter().copied().collect();
    for &id in &order {
        let is_real = graph.ty(id).dtype == DType::F32;
        if is_real && graph.operands(id).iter().any(|operand| dependent.contains(operand)) {
            dependent.insert(id);
        }
    }
    let mut active = BTreeSet::new();
    for &id in order.iter().rev() {
        let is_read = id == loss || graph.users(id).iter().any(|user| active.contains(user));
        if is_read && dependent.contains(&id) {
            active.insert(id);
        }
    }
    active
}

fn refuse_unexpanded(graph: &Graph, active: &BTreeSet<NodeId>) -> Result<(), AutodiffError> {
    for &id in active {
        if graph.op(id).composite(&graph.operand_types(id)) == Some(Expand::BeforeAutodiff) {
            return Err(AutodiffError::Unexpanded { node: id, op: graph.op(id).name() });
        }
    }
    Ok(())
}

/// Adds `term` to the gradient of `node`. Terms come in the order of the reverse walk, so the sum
/// is the same for every run.
fn accumulate(graph: &mut Graph, sums: &mut BTreeMap<NodeId, NodeId>, node: NodeId, term: NodeId) {
    let sum = match sums.get(&node) {
        None => term,
        Some(&sum) => {
            let origin = graph.node(node).origin.with_role(Role::Gradient);
            graph.add(Add {}, &[sum, term], "", origin).expect("gradients have the type of their node")
        }
    };
    sums.insert(node, sum);
}

/// The gradient of `parameter`, named after it; zero if the loss does not depend on it.
fn finish(graph: &mut Graph, sums: &BTreeMap<NodeId, NodeId>, parameter: NodeId) -> Gradient {
    let value = match sums.get(&parameter) {
        Some(&value) => value,
        None => constant_like(graph, parameter, 0.0),
    };
    let name = format!("{}.grad", graph.node(parameter).name);
    // A gradient can be shared, or be a forward value; then it keeps its first name.
    let node = graph.node_mut(value);
    if node.name.is_empty() && node.origin.role == Role::Gradient {
        node.name = name;
    }
    Gradient { parameter, value }
}

fn constant_like(graph: &mut Graph, like: NodeId, value: f64) -> NodeId {
    let shape = graph.ty(like).shape.clone();
    let origin = graph.node(like).origin.with_role(Role::Gradient);
    graph.add(Constant { value, shape }, &[], "", origin).expect("the shape of a node is a valid shape")
}
