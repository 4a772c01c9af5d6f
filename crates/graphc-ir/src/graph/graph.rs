//! [`Graph`]: petgraph stays inside; an edge carries its operand slot.

use super::node_id::NodeId;
use super::origin::Origin;
use super::roots::{Output, Roots, Update};
use crate::ops::Op;
use crate::optimizer::{Averaging, Optimizer};
use crate::types::{TensorType, TypeError};
use petgraph::Direction;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::{EdgeRef, IntoEdgeReferences, NodeIndexable};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// One operation, its result type, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The operation with its attributes.
    pub op: Op,
    /// Type of the result.
    pub ty: TensorType,
    /// The user's name, a derived one such as `conv1.kernel`, or empty.
    pub name: String,
    /// Provenance.
    pub origin: Origin,
}

/// What the graph is expanded for. Decides batch statistics and dropout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Batch statistics, dropout, moving averages updated.
    Train,
    /// Moving statistics, no dropout.
    Infer,
}

impl Mode {
    /// `train` or `infer`.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Train => "train",
            Mode::Infer => "infer",
        }
    }
}

/// A tensor program: a directed acyclic graph of operations.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Name of the network.
    pub name: String,
    /// Size of `N`, once specialised.
    pub batch: Option<usize>,
    /// Once expanded for training or inference.
    pub mode: Option<Mode>,
    /// Named results, in order.
    pub outputs: Roots<Output>,
    /// Parameter updates, in order.
    pub updates: Roots<Update>,
    /// The scalar that autodiff differentiates.
    pub loss: Option<NodeId>,
    /// How parameters are to be updated.
    pub optimizer: Option<Optimizer>,
    /// Whether training steps keep averages of the trainable parameters.
    pub averaging: Option<Averaging>,
    nodes: StableDiGraph<Node, u32>,
}

impl Graph {
    /// A graph without nodes.
    pub fn new(name: &str) -> Graph {
        Graph {
            name: name.to_string(),
            batch: None,
            mode: None,
            outputs: Roots::default(),
            updates: Roots::default(),
            loss: None,
            optimizer: None,
            averaging: None,
            nodes: StableDiGraph::new(),
        }
    }

    /// Adds a node; its type follows from the op and its operands.
    ///
    /// # Errors
    /// If the op does not accept the operands.
    pub fn add(
        &mut self,
        op: impl Into<Op>,
        operands: &[NodeId],
        name: &str,
        origin: Origin,
    ) -> Result<NodeId, TypeError> {
        let op = op.into();
        let types: Vec<&TensorType> = operands.iter().map(|&id| self.ty(id)).collect();
        let ty = op.infer(&types)?;
        Ok(self.add_node(Node { op, ty, name: name.to_string(), origin }, operands))
    }

    /// Adds a node of a given type, unchecked; the verifier checks it.
    pub fn add_node(&mut self, node: Node, operands: &[NodeId]) -> NodeId {
        let id = self.nodes.add_node(node);
        for (slot, operand) in operands.iter().enumerate() {
            self.nodes.add_edge(index(*operand), id, slot as u32);
        }
        NodeId(id.index() as u32)
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.node_count()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `id` is a node of this graph.
    pub fn contains(&self, id: NodeId) -> bool {
        self.nodes.contains_node(index(id))
    }

    /// The node.
    ///
    /// # Panics
    /// If it was removed.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[index(id)]
    }

    /// The node, to be changed.
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[index(id)]
    }

    /// Type of the node's result.
    pub fn ty(&self, id: NodeId) -> &TensorType {
        &self.node(id).ty
    }

    /// The node's operation.
    pub fn op(&self, id: NodeId) -> &Op {
        &self.node(id).op
    }

    /// Whether the node is a parameter.
    pub fn is_parameter(&self, id: NodeId) -> bool {
        matches!(self.op(id), Op::Parameter(_))
    }

    /// Concrete sizes of the node's result.
    ///
    /// # Panics
    /// If the shape has a batch dimension and the graph is not specialised.
    pub fn sizes(&self, id: NodeId) -> Vec<usize> {
        self.ty(id).shape.sizes(self.batch)
    }

    /// The operands, in order.
    pub fn operands(&self, id: NodeId) -> Vec<NodeId> {
        let mut edges: Vec<(u32, NodeId)> = self
            .nodes
            .edges_directed(index(id), Direction::Incoming)
            .map(|edge| (*edge.weight(), NodeId(edge.source().index() as u32)))
            .collect();
        edges.sort_unstable();
        edges.into_iter().map(|(_, operand)| operand).collect()
    }

    /// Nodes that read `id`, each once, by id.
    pub fn users(&self, id: NodeId) -> Vec<NodeId> {
        let mut users: Vec<NodeId> = self
            .nodes
            .neighbors_directed(index(id), Direction::Outgoing)
            .map(|user| NodeId(user.index() as u32))
            .collect();
        users.sort_unstable();
        users.dedup();
        users
    }

    /// Whether a node reads `id`.
    pub fn has_users(&self, id: NodeId) -> bool {
        self.nodes.neighbors_directed(index(id), Direction::Outgoing).next().is_some()
    }

    /// Whether `user`, and no other node, reads `id`.
    pub fn is_only_user(&self, id: NodeId, user: NodeId) -> bool {
        let mut users = self.nodes.neighbors_directed(index(id), Direction::Outgoing);
        self.has_users(id) && users.all(|other| other == index(user))
    }

    /// Whether the value is visible outside: an output, an update or the loss.
    pub fn is_root(&self, id: NodeId) -> bool {
        self.outputs.name(id) || self.updates.name(id) || self.loss == Some(id)
    }

    /// Every value that must be computed.
    pub fn roots(&self) -> impl Iterator<Item = NodeId> + '_ {
        let updates = self.updates.iter().flat_map(|update| [update.parameter, update.value]);
        self.outputs.iter().map(|output| output.node).chain(updates).chain(self.loss)
    }

    /// All nodes by id.
    pub fn ids(&self) -> Vec<NodeId> {
        self.nodes.node_indices().map(|id| NodeId(id.index() as u32)).collect()
    }

    /// All nodes, operands before users; among ready nodes the smallest id comes first.
    ///
    /// # Panics
    /// If the graph has a cycle (the verifier reports it before any pass runs).
    pub fn topo_order(&self) -> Vec<NodeId> {
        self.try_topo_order().expect("the verifier refuses cycles")
    }

    /// Like [`Graph::topo_order`], or `None` if there is a cycle.
    pub fn try_topo_order(&self) -> Option<Vec<NodeId>> {
        // Operands that are still to come, and the users of node `i` at `users[first[i]..first[i + 1]]`: edges one
        // after the other are in the cache when they are read, the lists of a node's edges are not.
        let n = self.nodes.node_bound();
        let (mut waiting, mut first) = (vec![0_u32; n], vec![0_usize; n + 1]);
        for edge in self.nodes.edge_references() {
            waiting[edge.target().index()] += 1;
            first[edge.source().index() + 1] += 1;
        }
        (0..n).for_each(|i| first[i + 1] += first[i]);
        let (mut users, mut next) = (vec![NodeIndex::end(); first[n]], first.clone());
        for edge in self.nodes.edge_references() {
            let at = &mut next[edge.source().index()];
            users[*at] = edge.target();
            *at += 1;
        }
        let is_ready = |id: &NodeIndex| waiting[id.index()] == 0;
        let mut ready: BinaryHeap<_> = self.nodes.node_indices().filter(is_ready).map(Reverse).collect();
        let mut order = Vec::with_capacity(self.len());
        while let Some(Reverse(id)) = ready.pop() {
            order.push(NodeId(id.index() as u32));
            for &user in &users[first[id.index()]..first[id.index() + 1]] {
                let count = &mut waiting[user.index()];
                *count -= 1;
                if *count == 0 {
                    ready.push(Reverse(user));
                }
            }
        }
        (order.len() == self.len()).then_some(order)
    }

    /// Replaces the operands of a node.
    pub fn set_operands(&mut self, id: NodeId, operands: &[NodeId]) {
        let edges: Vec<_> = self.nodes.edges_directed(index(id), Direction::Incoming).map(|edge| edge.id()).collect();
        for edge in edges {
            self.nodes.remove_edge(edge);
        }
        for (slot, operand) in operands.iter().enumerate() {
            self.nodes.add_edge(index(*operand), index(id), slot as u32);
        }
    }

    /// Lets every user of `old`, and every output and update value, read `new` instead.
    pub fn replace_uses(&mut self, old: NodeId, new: NodeId) {
        let edges: Vec<_> = self
            .nodes
            .edges_directed(index(old), Direction::Outgoing)
            .map(|edge| (edge.id(), edge.target(), *edge.weight()))
            .collect();
        for (edge, user, slot) in edges {
            self.nodes.remove_edge(edge);
            self.nodes.add_edge(index(new), user, slot);
        }
        self.outputs.replace(old, new);
        self.updates.replace(old, new);
        if self.loss == Some(old) {
            self.loss = Some(new);
        }
    }

    /// Removes a node that nothing reads.
    ///
    /// # Panics
    /// If it has users or is a root.
    pub fn remove(&mut self, id: NodeId) {
        assert!(!self.has_users(id) && !self.is_root(id), "{id} is still used");
        self.nodes.remove_node(index(id));
    }

    /// Adds a named result.
    pub fn add_output(&mut self, name: &str, node: NodeId) {
        self.outputs.push(Output { name: name.to_string(), node });
    }

    /// The output called `name`.
    pub fn output(&self, name: &str) -> Option<NodeId> {
        self.outputs.iter().find(|output| output.name == name).map(|output| output.node)
    }

    /// The first node called `name`.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        let found = self.nodes.node_indices().find(|&id| self.nodes[id].name == name);
        found.map(|id| NodeId(id.index() as u32))
    }

    /// The same graph with nodes renumbered `0..len` in topological order.
    pub fn compacted(&self) -> Graph {
        let order = self.topo_order();
        let new_ids: BTreeMap<NodeId, NodeId> =
            order.iter().enumerate().map(|(position, &id)| (id, NodeId(position as u32))).collect();
        let output = |output: &Output| Output { name: output.name.clone(), node: new_ids[&output.node] };
        let update = |update: &Update| Update { parameter: new_ids[&update.parameter], value: new_ids[&update.value] };
        let mut graph = Graph {
            name: self.name.clone(),
            batch: self.batch,
            mode: self.mode,
            outputs: self.outputs.iter().map(output).collect(),
            updates: self.updates.iter().map(update).collect(),
            loss: self.loss.map(|loss| new_ids[&loss]),
            optimizer: self.optimizer.clone(),
            averaging: self.averaging,
            nodes: StableDiGraph::with_capacity(order.len(), self.nodes.edge_count()),
        };
        for &id in &order {
            let operands: Vec<NodeId> = self.operands(id).iter().map(|operand| new_ids[operand]).collect();
            graph.add_node(self.node(id).clone(), &operands);
        }
        graph
    }
}

/// Equal when everything that prints is: the same nodes under the same ids with the same operands.
impl PartialEq for Graph {
    fn eq(&self, other: &Graph) -> bool {
        let same_header = self.name == other.name
            && (self.batch, self.mode, self.loss) == (other.batch, other.mode, other.loss)
            && (&self.outputs, &self.updates) == (&other.outputs, &other.updates)
            && self.optimizer == other.optimizer
            && self.averaging == other.averaging;
        let ids = self.ids();
        let same_node = |&id: &NodeId| self.node(id) == other.node(id) && self.operands(id) == other.operands(id);
        same_header && ids == other.ids() && ids.iter().all(same_node)
    }
}

fn index(id: NodeId) -> NodeIndex {
    NodeIndex::new(id.0 as usize)
}
