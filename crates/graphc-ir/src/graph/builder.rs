//! [`GraphBuilder`]: networks written layer by layer, by Rust programs and by the front end. The layers, each of which
//! has a method here, are in [`crate::layers`].
//!
//! A layer is one to three nodes: the linear part, the bias, the activation. The last one carries
//! the layer's name, the inner ones are called `conv1.conv2d`, `conv1.bias_add`. Parameters are
//! called `conv1.kernel`, `bn1.gamma` and so on, which are also their names in weight files.
//!
//! ```
//! use graphc_ir::graph::builder::{GraphBuilder, Loss};
//! use graphc_ir::layers::{Activation, Dense};
//! use graphc_ir::{DType, Optimizer, Shape};
//!
//! # fn main() -> Result<(), graphc_ir::graph::builder::BuildError> {
//! let mut net = GraphBuilder::new("mlp");
//! let image = net.input("image", DType::F32, Shape::batched(&[28, 28, 1]))?;
//! let label = net.input("label", DType::I32, Shape::batched(&[]))?;
//! let x = net.flatten("flatten", image)?;
//! let x = net.dense("hidden", x, &Dense { activation: Some(Activation::Relu), ..Dense::new(128) })?;
//! let x = net.dense("digit", x, &Dense { activation: Some(Activation::Softmax), ..Dense::new(10) })?;
//! net.loss(Loss::CategoricalCrossentropy, x, label)?;
//! net.accuracy(x, label)?;
//! net.optimizer(Optimizer::adam(0.001));
//! let graph = net.finish();
//! assert!(graph.output("loss").is_some());
//! # Ok(())
//! # }
//! ```

pub use super::loss::Loss;

use super::graph::Graph;
use super::node_id::NodeId;
use super::origin::{Origin, Role};
use crate::attrs::{AttrValue, Numbers};
use crate::narrow::narrow;
use crate::ops::{Algorithm, Initializer, Input, Op, Parameter};
use crate::optimizers::{Clipping, Optimizer, ParameterSettings};
use crate::text::{MAX_RANK, is_hidden, shown};
use crate::types::{DType, Dim, Shape, TensorType, TypeError, WORD_BYTES};
use std::collections::HashSet;
use std::fmt;

/// A tensor larger than this is taken for a mistake.
pub const MAX_TENSOR_BYTES: u64 = 1 << 40;

/// Largest value of a size, stride or padding.
pub const MAX_SIZE: usize = i32::MAX as usize;

/// Name of the `i32` scalar input that counts steps; `dropout` makes it on demand.
pub const STEP_INPUT: &str = "step";

/// Why a node cannot be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    /// Name of the user's node.
    pub node: String,
    /// What does not fit. Operand numbers are those of the layer's inputs; a parameter that the
    /// layer owns comes after them.
    pub error: TypeError,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", shown(&self.node), self.error)
    }
}

impl std::error::Error for BuildError {}

/// Result of adding a node.
pub type BuildResult = Result<NodeId, BuildError>;

/// Builds a [`Graph`] from layers and tensor operations.
#[derive(Clone, Debug)]
pub struct GraphBuilder {
    pub(super) graph: Graph,
    names: HashSet<String>,
    /// Names of the graph's outputs.
    outputs: HashSet<String>,
    /// The input that counts steps, once it is there.
    step: Option<NodeId>,
    line: u32,
    /// Position of the layer that is added next.
    position: usize,
    role: Role,
    largest_batch: usize,
    algorithm: Algorithm,
    /// Whether the weights of layers that are added are trained.
    trainable: bool,
    /// Weights that are not.
    frozen: Vec<NodeId>,
}

impl GraphBuilder {
    /// An empty network.
    pub fn new(name: &str) -> GraphBuilder {
        GraphBuilder {
            graph: Graph::new(name),
            names: HashSet::new(),
            outputs: HashSet::new(),
            step: None,
            line: 0,
            position: 0,
            role: Role::Forward,
            largest_batch: 1,
            algorithm: Algorithm::Direct,
            trainable: true,
            frozen: Vec::new(),
        }
    }

    /// Refuses tensors that are too large at this batch size from now on.
    pub fn set_largest_batch(&mut self, batch: usize) {
        self.largest_batch = batch;
    }

    /// How convolutions that do not say so themselves are computed from now on, where that can be done.
    pub fn set_algorithm(&mut self, algorithm: Algorithm) {
        self.algorithm = algorithm;
    }

    /// See [`GraphBuilder::set_algorithm`].
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the weights of layers that are added from now on are trained. A batch normalisation that is not
    /// normalises by its moving statistics, in training too, and leaves them as they are.
    pub fn set_trainable(&mut self, trainable: bool) {
        self.trainable = trainable;
    }

    /// See [`GraphBuilder::set_trainable`].
    pub fn trainable(&self) -> bool {
        self.trainable
    }

    /// Line of the graph file that the nodes added from now on come from; 0 for none.
    pub fn set_line(&mut self, line: u32) {
        self.line = line;
    }

    /// Position in the network of the layer that is added next; otherwise the number of layers before it. It is the
    /// seed of a layer that draws random numbers and is given none.
    pub fn set_position(&mut self, position: usize) {
        self.position = position;
    }

    /// Type of a node's result.
    pub fn ty(&self, node: NodeId) -> &TensorType {
        self.graph.ty(node)
    }

    /// The graph as built so far.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The graph.
    pub fn finish(self) -> Graph {
        self.graph
    }

    /// A tensor given at every step.
    ///
    /// # Errors
    /// If the shape or the name is not acceptable.
    pub fn input(&mut self, name: &str, dtype: DType, shape: Shape) -> BuildResult {
        self.op(name, Input { dtype, shape }, &[])
    }

    /// A tensor operation called `name`.
    ///
    /// # Errors
    /// If the name is taken, or the op does not accept the operands.
    pub fn op(&mut self, name: &str, op: impl Into<Op>, operands: &[NodeId]) -> BuildResult {
        self.add(name, name, op.into(), operands)
    }

    /// All results of an operation, in order: nodes called `<name>.0`, `<name>.1` and so on, or `<name>` if there is
    /// one.
    ///
    /// # Errors
    /// If a name is taken, or the op does not accept the operands.
    ///
    /// ```
    /// use graphc_ir::graph::builder::GraphBuilder;
    /// use graphc_ir::ops::Split;
    /// use graphc_ir::{DType, Shape};
    ///
    /// let mut net = GraphBuilder::new("halves");
    /// let x = net.input("x", DType::F32, Shape::batched(&[8])).unwrap();
    /// let halves = net.results("half", Split { axis: 1, sizes: vec![4, 4], result: 0 }, &[x]).unwrap();
    /// assert_eq!(net.graph().node(halves[1]).name, "half.1");
    /// ```
    pub fn results(&mut self, name: &str, op: impl Into<Op>, operands: &[NodeId]) -> Result<Vec<NodeId>, BuildError> {
        let op = op.into();
        if op.n_results() < 2 {
            return Ok(vec![self.add(name, name, op, operands)?]);
        }
        let results = op.results().into_iter().enumerate();
        results.map(|(number, result)| self.add(name, &format!("{name}.{number}"), result, operands)).collect()
    }

    /// A parameter `<layer>.<weight>`.
    ///
    /// # Errors
    /// If the name is taken or the shape is not acceptable.
    pub fn parameter(
        &mut self,
        layer: &str,
        weight: &str,
        shape: &[usize],
        initializer: Initializer,
        trainable: bool,
    ) -> BuildResult {
        let op = Parameter { shape: Shape::fixed(shape), initializer, trainable };
        self.add(layer, &format!("{layer}.{weight}"), op.into(), &[])
    }

    /// A weight of a layer: a parameter that is trained, unless [`GraphBuilder::set_trainable`] says otherwise.
    pub(crate) fn weight(
        &mut self,
        layer: &str,
        weight: &str,
        shape: &[usize],
        initializer: Initializer,
    ) -> BuildResult {
        let node = self.parameter(layer, weight, shape, initializer, self.trainable)?;
        if !self.trainable {
            self.frozen.push(node);
        }
        Ok(node)
    }

    /// Weights that are not trained, in the order in which that was said.
    pub fn frozen(&self) -> &[NodeId] {
        &self.frozen
    }

    /// Weights of layers by id, be they trained or not. Moving statistics are none.
    pub fn weights(&self) -> Vec<NodeId> {
        let is_trained = |id: NodeId| matches!(self.graph.op(id), Op::Parameter(parameter) if parameter.trainable);
        self.graph.ids().into_iter().filter(|&id| is_trained(id) || self.frozen.contains(&id)).collect()
    }

    /// Says whether a weight is trained: one that is not has no gradient and no state of the optimizer.
    ///
    /// # Panics
    /// If it is no parameter.
    pub fn train_weight(&mut self, weight: NodeId, trainable: bool) {
        let Op::Parameter(parameter) = &mut self.graph.node_mut(weight).op else { panic!("{weight} is no parameter") };
        parameter.trainable = trainable;
        self.frozen.retain(|&frozen| frozen != weight);
        if !trainable {
            self.frozen.push(weight);
        }
    }

    /// Position of a layer that is added now.
    pub(crate) fn take_position(&mut self) -> usize {
        self.position += 1;
        self.position - 1
    }

    /// The input that counts steps, made if it is not there yet.
    pub(crate) fn step_input(&mut self, layer: &str) -> BuildResult {
        if let Some(step) = self.step {
            return Ok(step);
        }
        let step = match self.graph.find(STEP_INPUT).filter(|_| self.names.contains(STEP_INPUT)) {
            Some(step) => step,
            None => self.input(STEP_INPUT, DType::I32, Shape::scalar())?,
        };
        let scalar = TensorType::i32(Shape::scalar());
        if !matches!(self.graph.op(step), Op::Input(_)) || *self.ty(step) != scalar {
            let message = format!("dropout needs an i32 scalar input `{STEP_INPUT}`, but that name is taken");
            return fail(layer, TypeError::new(message));
        }
        self.step = Some(step);
        Ok(step)
    }

    /// How the parameters are updated.
    pub fn optimizer(&mut self, optimizer: impl Into<Optimizer>) {
        self.graph.optimizer = Some(optimizer.into());
    }

    /// What is different for the update of one parameter.
    pub fn settings_of(&mut self, parameter: &str, settings: ParameterSettings) {
        self.graph.parameter_settings.insert(parameter.to_string(), settings);
    }

    /// How gradients are kept from being large.
    pub fn clip_gradients(&mut self, clipping: Clipping) {
        self.graph.clipping = Some(clipping);
    }

    /// Makes a node readable from outside under its own name.
    pub fn output(&mut self, node: NodeId) {
        let name = self.graph.node(node).name.clone();
        if self.outputs.insert(name.clone()) {
            self.graph.add_output(&name, node);
        }
    }

    pub(super) fn in_role<T>(&mut self, role: Role, build: impl FnOnce(&mut GraphBuilder) -> T) -> T {
        let before = std::mem::replace(&mut self.role, role);
        let result = build(self);
        self.role = before;
        result
    }

    /// Adds a node of `layer`.
    pub(crate) fn add(&mut self, layer: &str, name: &str, op: Op, operands: &[NodeId]) -> BuildResult {
        let checked =
            |result: Result<(), TypeError>| result.map_err(|error| BuildError { node: layer.to_string(), error });
        let unfit = match name {
            "" => Some("a node needs a name".into()),
            _ if self.names.contains(name) => Some(format!("the name `{}` is taken", shown(name))),
            _ if name.contains(is_hidden) => Some(format!("the name `{}` has control characters", shown(name))),
            _ => None,
        };
        if let Some(message) = unfit {
            return fail(layer, TypeError::new(message));
        }
        checked(self.check_attributes(&op))?;
        let types: Vec<&TensorType> = operands.iter().map(|&operand| self.graph.ty(operand)).collect();
        let ty = op.infer(&types).map_err(|error| BuildError { node: layer.to_string(), error })?;
        checked(self.check_shape(&ty.shape))?;
        self.names.insert(name.to_string());
        let origin = Origin::layer(layer, self.line).with_role(self.role);
        self.graph.add(op, operands, name, origin).map_err(|error| BuildError { node: layer.to_string(), error })
    }

    /// Refuses numbers with which a shape rule could overflow, and those that are not what they say in `f32`.
    fn check_attributes(&self, op: &Op) -> Result<(), TypeError> {
        for (name, value) in op.attrs().0 {
            match value {
                AttrValue::Shape(shape) => self.check_shape(&shape.check_one_batch()?)?,
                AttrValue::Ints(values) if values.iter().any(|&value| value > MAX_SIZE as i64 || value < 0) => {
                    return Err(TypeError::new(format!("`{name}` {values:?} is too large")));
                }
                AttrValue::Floats(Numbers(values)) => {
                    for &value in &*values {
                        narrow(value)
                            .map_err(|what| TypeError::new(format!("a number of `{name}`, {value:e}, {what}")))?;
                    }
                }
                AttrValue::Float(value) => {
                    narrow(value).map_err(|what| TypeError::new(format!("`{name}` {value:e} {what}")))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Refuses empty and absurdly large tensors.
    fn check_shape(&self, shape: &Shape) -> Result<(), TypeError> {
        if shape.rank() > MAX_RANK {
            let found = shape.rank();
            return Err(TypeError::new(format!("a tensor has at most {MAX_RANK} dimensions, got {found}")));
        }
        let mut bytes = Some(WORD_BYTES as u64);
        for dim in &shape.0 {
            let size = match dim {
                Dim::Batch => self.largest_batch,
                Dim::Fixed(size) => *size,
            };
            if size == 0 {
                return Err(TypeError::new(format!("every size must be at least 1, got shape {shape}")));
            }
            bytes = bytes.and_then(|bytes| bytes.checked_mul(size as u64)).filter(|&bytes| bytes <= MAX_TENSOR_BYTES);
        }
        match bytes {
            Some(_) => Ok(()),
            None => {
                let at = match shape.batch_axis() {
                    Some(_) => format!(" at batch size {}", self.largest_batch),
                    None => String::new(),
                };
                Err(TypeError::new(format!("a tensor of shape {shape} is larger than 1 TiB{at}")))
            }
        }
    }
}

pub(super) fn fail<T>(node: &str, error: TypeError) -> Result<T, BuildError> {
    Err(BuildError { node: node.to_string(), error })
}
