//! [`Graph`]: nodes by id, each with the nodes that it reads and those that read it.

use super::node_id::NodeId;
use super::origin::Origin;
use super::roots::{Output, Roots, Update};
use crate::ops::Op;
use crate::ops::facts::Domain;
use crate::optimizers::{Accumulation, Averaging, Clipping, Optimizer, ParameterSettings};
use crate::types::{TensorType, TypeError};
use smallvec::SmallVec;
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

/// Operands or users of a node: a few.
pub type NodeIds = SmallVec<[NodeId; 4]>;

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
    /// What is different for some parameters, by their names.
    pub parameter_settings: BTreeMap<String, ParameterSettings>,
    /// How gradients are kept from being large.
    pub clipping: Option<Clipping>,
    /// Whether gradients of several steps make one update.
    pub accumulation: Option<Accumulation>,
    /// Whether training steps keep averages of the trainable parameters.
    pub averaging: Option<Averaging>,
    /// By id; none where a node was removed.
    nodes: Vec<Option<Node>>,
    /// By id. They stand apart from the nodes: the topological order is asked for often, and needs nothing else.
    operands: Vec<NodeIds>,
    /// By id, each once, ascending.
    users: Vec<NodeIds>,
    /// Ids of removed nodes. The one that was removed last is given to the next node.
    free: Vec<NodeId>,
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
            parameter_settings: BTreeMap::new(),
            clipping: None,
            accumulation: None,
            averaging: None,
            nodes: Vec::new(),
            operands: Vec::new(),
            users: Vec::new(),
            free: Vec::new(),
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
        let ty = op.infer(&self.types(operands))?;
        Ok(self.add_node(Node { op, ty, name: name.to_string(), origin }, operands))
    }

    /// Adds a node of a given type, unchecked; the verifier checks it.
    pub fn add_node(&mut self, node: Node, operands: &[NodeId]) -> NodeId {
        let id = self.free.pop().unwrap_or(NodeId(self.nodes.len() as u32));
        if id.0 as usize == self.nodes.len() {
            self.nodes.push(None);
            self.operands.push(NodeIds::new());
            self.users.push(NodeIds::new());
        }
        self.nodes[id.0 as usize] = Some(node);
        self.set_operands(id, operands);
        id
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All ids are below it.
    pub fn id_bound(&self) -> usize {
        self.nodes.len()
    }

    /// Whether `id` is a node of this graph.
    pub fn contains(&self, id: NodeId) -> bool {
        self.nodes.get(id.0 as usize).is_some_and(Option::is_some)
    }

    /// The node.
    ///
    /// # Panics
    /// If it was removed.
    pub fn node(&self, id: NodeId) -> &Node {
        self.nodes[id.0 as usize].as_ref().expect("it is a node of the graph")
    }

    /// The node, to be changed.
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes[id.0 as usize].as_mut().expect("it is a node of the graph")
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
    pub fn operands(&self, id: NodeId) -> NodeIds {
        NodeIds::from_slice(&self.operands[id.0 as usize])
    }

    /// Types of the operands, in order.
    pub fn operand_types(&self, id: NodeId) -> SmallVec<[&TensorType; 4]> {
        self.types(&self.operands[id.0 as usize])
    }

    fn types(&self, ids: &[NodeId]) -> SmallVec<[&TensorType; 4]> {
        ids.iter().map(|&id| self.ty(id)).collect()
    }

    /// Nodes that read `id`, each once, by id.
    pub fn users(&self, id: NodeId) -> NodeIds {
        NodeIds::from_slice(&self.users[id.0 as usize])
    }

    /// What every reader of the integers `id` takes them to be below (see [`crate::ops::OpRules::domain`]).
    pub fn integers_below(&self, id: NodeId) -> Option<usize> {
        self.integers_of_readers(id, |user, operand| match self.op(user).domain(operand, &self.operand_types(user)) {
            Domain::Below(end) => Some(end),
            _ => None,
        })
    }

    /// As [`Graph::integers_below`], but also below what a `one_hot` has a column for, though others mean something to
    /// it: numbers to try a graph on.
    pub fn usual_integers_below(&self, id: NodeId) -> Option<usize> {
        let of_columns = self.integers_of_readers(id, |user, _| match self.op(user) {
            Op::OneHot(one_hot) => Some(one_hot.depth),
            _ => None,
        });
        self.integers_below(id).into_iter().chain(of_columns).min()
    }

    /// The least that a reader says, of those that say something.
    fn integers_of_readers(&self, id: NodeId, below: impl Fn(NodeId, usize) -> Option<usize>) -> Option<usize> {
        let reads = self.users(id).into_iter().flat_map(|user| {
            let operands = self.operands(user).into_iter().enumerate();
            operands.filter(|&(_, read)| read == id).map(move |(operand, _)| (user, operand)).collect::<Vec<_>>()
        });
        reads.filter_map(|(user, operand)| below(user, operand)).min()
    }

    /// Whether a node reads `id`.
    pub fn has_users(&self, id: NodeId) -> bool {
        !self.users[id.0 as usize].is_empty()
    }

    /// Whether `user`, and no other node, reads `id`.
    pub fn is_only_user(&self, id: NodeId, user: NodeId) -> bool {
        *self.users[id.0 as usize] == [user]
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
        (0..self.nodes.len() as u32).map(NodeId).filter(|&id| self.contains(id)).collect()
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
        // Nodes that are ready and stand before `next`, and operands that are still to come. Where ids are almost in
        // order the heap is almost empty.
        let (mut ready, mut next) = (BinaryHeap::new(), 0);
        let mut waiting: Vec<usize> = self.operands.iter().map(|operands| operands.len()).collect();
        self.free.iter().for_each(|id| waiting[id.0 as usize] = usize::MAX);
        let mut order = Vec::with_capacity(self.len());
        loop {
            let id = match ready.pop() {
                Some(Reverse(id)) => id,
                None => {
                    let Some(distance) = waiting[next..].iter().position(|&n| n == 0) else { break };
                    next += distance + 1;
                    NodeId(next as u32 - 1)
                }
            };
            order.push(id);
            for &user in &self.users[id.0 as usize] {
                let n_slots = self.operands[user.0 as usize].iter().filter(|&&operand| operand == id).count();
                waiting[user.0 as usize] -= n_slots;
                if waiting[user.0 as usize] == 0 && (user.0 as usize) < next {
                    ready.push(Reverse(user));
                }
            }
        }
        (order.len() == self.len()).then_some(order)
    }

    /// Replaces the operands of a node.
    pub fn set_operands(&mut self, id: NodeId, operands: &[NodeId]) {
        let before = std::mem::replace(&mut self.operands[id.0 as usize], NodeIds::from_slice(operands));
        before.into_iter().for_each(|operand| self.remove_user(operand, id));
        operands.iter().for_each(|&operand| self.add_user(operand, id));
    }

    /// Lets every user of `old`, and every output and update value, read `new` instead.
    pub fn replace_uses(&mut self, old: NodeId, new: NodeId) {
        for user in std::mem::take(&mut self.users[old.0 as usize]) {
            let operands = &mut self.operands[user.0 as usize];
            operands.iter_mut().filter(|operand| **operand == old).for_each(|operand| *operand = new);
            self.add_user(new, user);
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
        assert!(self.contains(id), "{id} is no node of the graph");
        assert!(!self.has_users(id) && !self.is_root(id), "{id} is still used");
        self.set_operands(id, &[]);
        self.nodes[id.0 as usize] = None;
        self.free.push(id);
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
        let is_called = |node: &Option<Node>| node.as_ref().is_some_and(|node| node.name == name);
        self.nodes.iter().position(is_called).map(|position| NodeId(position as u32))
    }

    /// The same graph with nodes renumbered `0..len` in topological order.
    pub fn compacted(&self) -> Graph {
        self.clone().into_compacted()
    }

    /// Renumbers the nodes `0..len` in topological order.
    pub fn into_compacted(mut self) -> Graph {
        let order = self.topo_order();
        let mut new_ids = vec![NodeId(u32::MAX); self.nodes.len()];
        (0..).map(NodeId).zip(&order).for_each(|(new, old)| new_ids[old.0 as usize] = new);
        let new = |id: NodeId| new_ids[id.0 as usize];
        let output = |output: &Output| Output { name: output.name.clone(), node: new(output.node) };
        let update = |update: &Update| Update { parameter: new(update.parameter), value: new(update.value) };
        self.outputs = self.outputs.iter().map(output).collect();
        self.updates = self.updates.iter().map(update).collect();
        self.loss = self.loss.map(new);
        self.nodes = order.iter().map(|id| self.nodes[id.0 as usize].take()).collect();
        let renumbered = |ids: &[NodeIds]| -> Vec<NodeIds> {
            order.iter().map(|id| ids[id.0 as usize].iter().copied().map(new).collect()).collect()
        };
        (self.operands, self.users) = (renumbered(&self.operands), renumbered(&self.users));
        self.users.iter_mut().for_each(|users| users.sort_unstable());
        self.free.clear();
        self
    }

    fn add_user(&mut self, operand: NodeId, user: NodeId) {
        let users = &mut self.users[operand.0 as usize];
        if let Err(position) = users.binary_search(&user) {
            users.insert(position, user);
        }
    }

    /// `user` does not read `operand` any more.
    fn remove_user(&mut self, operand: NodeId, user: NodeId) {
        let users = &mut self.users[operand.0 as usize];
        if let Ok(position) = users.binary_search(&user) {
            users.remove(position);
        }
    }
}

/// Equal when everything that prints is: the same nodes under the same ids with the same operands.
impl PartialEq for Graph {
    fn eq(&self, other: &Graph) -> bool {
        let same_header = self.name == other.name
            && (self.batch, self.mode, self.loss) == (other.batch, other.mode, other.loss)
            && (&self.outputs, &self.updates) == (&other.outputs, &other.updates)
            && self.optimizer == other.optimizer
            && self.parameter_settings == other.parameter_settings
            && (self.clipping, self.accumulation) == (other.clipping, other.accumulation)
            && self.averaging == other.averaging;
        let ids = self.ids();
        let same_node = |&id: &NodeId| self.node(id) == other.node(id) && self.operands(id) == other.operands(id);
        same_header && ids == other.ids() && ids.iter().all(same_node)
    }
}
