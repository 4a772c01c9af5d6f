//! [`OpCx`]: what an op's gradient rule or expansion sees of the graph it writes into.

use super::graph::{Graph, Mode, NodeIds};
use super::node_id::NodeId;
use super::origin::{Origin, Role};
use crate::ops::{Add, Broadcast, Constant, Div, Mul, Neg, Op, ReduceSum, Reshape, Sub};
use crate::types::{Dim, Shape, TensorType};

/// Adds nodes next to an existing node, with its provenance.
///
/// Rules build only what type-checks by construction, so the methods panic on a type error: it
/// would be a bug in the rule, not in the user's graph.
pub struct OpCx<'a> {
    /// The graph; rules may add nodes, outputs and updates.
    pub graph: &'a mut Graph,
    /// The node whose rule runs.
    pub node: NodeId,
    /// Its operands.
    pub operands: NodeIds,
    /// Training or inference; a rule of a mode-dependent op looks at it.
    pub mode: Mode,
    origin: Origin,
}

impl<'a> OpCx<'a> {
    /// A context for `node`; new nodes get its origin, in role `role` if one is given.
    pub fn new(graph: &'a mut Graph, node: NodeId, mode: Mode, role: Option<Role>) -> OpCx<'a> {
        let operands = graph.operands(node);
        let mut origin = graph.node(node).origin.clone();
        origin.role = role.unwrap_or(origin.role);
        OpCx { graph, node, operands, mode, origin }
    }

    /// Type of any node.
    pub fn ty(&self, id: NodeId) -> TensorType {
        self.graph.ty(id).clone()
    }

    /// Adds an unnamed node.
    pub fn add(&mut self, op: impl Into<Op>, operands: &[NodeId]) -> NodeId {
        self.add_named(op, operands, "")
    }

    /// Adds a named node.
    pub fn add_named(&mut self, op: impl Into<Op>, operands: &[NodeId], name: &str) -> NodeId {
        let op = op.into();
        let mnemonic = op.name();
        let node = self.node;
        self.graph
            .add(op, operands, name, self.origin.clone())
            .unwrap_or_else(|error| panic!("rule of {node} builds an ill-typed {mnemonic}: {error}"))
    }

    /// Runs `build` with new nodes in another role.
    pub fn in_role<T>(&mut self, role: Role, build: impl FnOnce(&mut OpCx<'_>) -> T) -> T {
        let before = self.set_origin(self.origin.with_role(role));
        let result = build(self);
        self.set_origin(before);
        result
    }

    /// New nodes come from there from now on; gives where they came from before.
    pub fn set_origin(&mut self, origin: Origin) -> Origin {
        std::mem::replace(&mut self.origin, origin)
    }

    /// A scalar constant.
    pub fn constant(&mut self, value: f64) -> NodeId {
        self.add(Constant { value, shape: Shape::scalar() }, &[])
    }

    /// `a + b`, broadcasting.
    pub fn plus(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.add(Add {}, &[a, b])
    }

    /// `a - b`, broadcasting.
    pub fn minus(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.add(Sub {}, &[a, b])
    }

    /// `a * b`, broadcasting.
    pub fn times(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.add(Mul {}, &[a, b])
    }

    /// `a / b`, broadcasting.
    pub fn over(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.add(Div {}, &[a, b])
    }

    /// `-a`.
    pub fn negative(&mut self, a: NodeId) -> NodeId {
        self.add(Neg {}, &[a])
    }

    /// `a * value`.
    pub fn scaled(&mut self, a: NodeId, value: f64) -> NodeId {
        let factor = self.constant(value);
        self.times(a, factor)
    }

    /// `a` broadcast to `shape`; `a` itself if it has that shape.
    pub fn broadcast_to(&mut self, a: NodeId, shape: &Shape) -> NodeId {
        if self.ty(a).shape == *shape { a } else { self.add(Broadcast { shape: shape.clone() }, &[a]) }
    }

    /// `a` in another shape of as many elements; `a` itself if it has that shape.
    pub fn reshaped(&mut self, a: NodeId, shape: &Shape) -> NodeId {
        if self.ty(a).shape == *shape { a } else { self.add(Reshape { shape: shape.clone() }, &[a]) }
    }

    /// Sum over `axes`; `a` itself if there are none.
    pub fn sum(&mut self, a: NodeId, axes: &[usize], keep_dims: bool) -> NodeId {
        if axes.is_empty() { a } else { self.add(ReduceSum { axes: axes.to_vec(), keep_dims }, &[a]) }
    }

    /// The sum of all elements: over all dimensions but the last, then over that. So vectors and threads share a long
    /// sum, which one chain would not be.
    pub fn total(&mut self, a: NodeId) -> NodeId {
        let outer: Vec<usize> = (0..self.ty(a).rank().saturating_sub(1)).collect();
        let rows = self.sum(a, &outer, false);
        let last: Vec<usize> = (0..self.ty(rows).rank()).collect();
        self.sum(rows, &last, false)
    }

    /// The transpose of broadcasting: sums `gradient` over every dimension along which a tensor
    /// of `shape` was broadcast.
    pub fn unbroadcast(&mut self, gradient: NodeId, shape: &Shape) -> NodeId {
        let from = self.ty(gradient).shape;
        let skipped = from.rank() - shape.rank();
        let axes: Vec<usize> = (0..from.rank())
            .filter(|&axis| {
                axis < skipped || (shape.0[axis - skipped] == Dim::Fixed(1) && from.0[axis] != Dim::Fixed(1))
            })
            .collect();
        let summed = self.sum(gradient, &axes, false);
        self.reshaped(summed, shape)
    }
}
