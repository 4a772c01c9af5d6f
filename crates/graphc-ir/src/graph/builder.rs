//! [`GraphBuilder`]: networks written layer by layer, by Rust programs and by the front end.
//!
//! A layer is one to three nodes: the linear part, the bias, the activation. The last one carries
//! the layer's name, the inner ones are called `conv1.conv2d`, `conv1.bias_add`. Parameters are
//! called `conv1.kernel`, `bn1.gamma` and so on, which are also their names in weight files.
//!
//! ```
//! use graphc_ir::graph::builder::{Activation, Dense, GraphBuilder, Loss};
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
use crate::attrs::{AttrValue, Attrs};
use crate::narrow::narrow;
use crate::ops::{
    Add, AvgPool2d, BatchNorm, Conv2d, Dropout, Initializer, Input, LogSoftmax, MatMul, MaxPool2d, Op, Parameter, Relu,
    Reshape, Sigmoid, Softmax, Tanh, Windows,
};
use crate::optimizers::Optimizer;
use crate::text::{MAX_RANK, is_hidden, shown};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};
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

/// A function applied to a layer's result: an op with one operand. The most usual ones have names here, any other is
/// made with [`Activation::of`].
#[derive(Clone, Debug, PartialEq)]
pub struct Activation(Op);

#[expect(non_upper_case_globals, reason = "they read as the variants of an enum")]
impl Activation {
    /// `max(x, 0)`.
    pub const Relu: Activation = Activation(Op::Relu(Relu {}));
    /// `1 / (1 + exp(-x))`.
    pub const Sigmoid: Activation = Activation(Op::Sigmoid(Sigmoid {}));
    /// Hyperbolic tangent.
    pub const Tanh: Activation = Activation(Op::Tanh(Tanh {}));
    /// Softmax over the last dimension.
    pub const Softmax: Activation = Activation(Op::Softmax(Softmax {}));
    /// Logarithm of the softmax over the last dimension.
    pub const LogSoftmax: Activation = Activation(Op::LogSoftmax(LogSoftmax {}));
}

impl Activation {
    /// The op with these attributes.
    pub fn of(op: impl Into<Op>) -> Activation {
        Activation(op.into())
    }

    /// The activation of that name, one of [`Op::ACTIVATIONS`], with the defaults of its attributes.
    pub fn from_name(name: &str) -> Option<Activation> {
        let info = Op::named(name).filter(|info| info.is_activation)?;
        (info.from_attrs)(&Attrs::default()).ok().map(Activation)
    }
}

/// Zeros (or, for pooling, nothing) around an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// None.
    Valid,
    /// As much as makes the result `ceil(size / stride)` large; an odd one goes to the bottom and
    /// right, as in Keras.
    Same,
    /// Top, bottom, left, right.
    Explicit([usize; 4]),
}

impl Padding {
    /// Top, bottom, left and right for an image of `size` and a window.
    fn resolve(self, size: [usize; 2], window: [usize; 2], strides: [usize; 2]) -> [usize; 4] {
        match self {
            Padding::Valid => [0; 4],
            Padding::Explicit(padding) => padding,
            Padding::Same => {
                let total = |i: usize| {
                    let stride = strides[i].max(1);
                    let covered = size[i].div_ceil(stride).saturating_sub(1).saturating_mul(stride);
                    covered.saturating_add(window[i]).saturating_sub(size[i])
                };
                let [h, w] = [total(0), total(1)];
                [h / 2, h - h / 2, w / 2, w - w / 2]
            }
        }
    }
}

/// A fully connected layer: `activation(x * kernel + bias)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Number of outputs.
    pub units: usize,
    /// Whether there is a bias.
    pub use_bias: bool,
    /// Applied to the result.
    pub activation: Option<Activation>,
}

impl Dense {
    /// With bias, without activation.
    pub fn new(units: usize) -> Dense {
        Dense { units, use_bias: true, activation: None }
    }
}

/// A convolution of NHWC images: `activation(conv2d(x, kernel) + bias)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    /// Number of output channels.
    pub filters: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Steps along height and width.
    pub strides: [usize; 2],
    /// Zeros around the image.
    pub padding: Padding,
    /// Pixels from one tap of the kernel to the next, along height and width.
    pub dilation: [usize; 2],
    /// Groups of channels, each with filters of its own.
    pub groups: usize,
    /// Whether there is a bias.
    pub use_bias: bool,
    /// Applied to the result.
    pub activation: Option<Activation>,
}

impl Convolution {
    /// Stride 1, no padding, no gaps, a single group, with bias, without activation.
    pub fn new(filters: usize, kernel: [usize; 2]) -> Convolution {
        Convolution {
            filters,
            kernel,
            strides: [1, 1],
            padding: Padding::Valid,
            dilation: [1, 1],
            groups: 1,
            use_bias: true,
            activation: None,
        }
    }
}

/// Windows of a pooling layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Height and width of a window.
    pub pool: [usize; 2],
    /// Steps along height and width.
    pub strides: [usize; 2],
    /// Padding around the image; it is neither averaged nor a maximum.
    pub padding: Padding,
}

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
    role: Role,
    largest_batch: usize,
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
            role: Role::Forward,
            largest_batch: 1,
        }
    }

    /// Refuses tensors that are too large at this batch size from now on.
    pub fn set_largest_batch(&mut self, batch: usize) {
        self.largest_batch = batch;
    }

    /// Line of the graph file that the nodes added from now on come from; 0 for none.
    pub fn set_line(&mut self, line: u32) {
        self.line = line;
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

    /// A fully connected layer on `x` of shape `[N, features]`.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn dense(&mut self, name: &str, x: NodeId, layer: &Dense) -> BuildResult {
        let ty = self.ty(x).clone();
        if ty.rank() != 2 {
            let hint = if ty.rank() > 2 { "; put a `flatten` before it" } else { "" };
            return fail(
                name,
                TypeError::operand(0, format!("dense expects shape [N,features], got {}{hint}", ty.shape)),
            );
        }
        let features = at_operand_0(name, ty.fixed_dim(1, "the number of features"))?;
        let kernel = self.parameter(name, "kernel", &[features, layer.units], Initializer::GlorotUniform, true)?;
        let linear = MatMul { transpose_a: false, transpose_b: false }.into();
        let bias = layer.use_bias.then_some(layer.units);
        self.affine(name, linear, [x, kernel], bias, layer.activation.clone())
    }

    /// A convolution of `x` of shape `[N, h, w, c]`.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn conv2d(&mut self, name: &str, x: NodeId, layer: &Convolution) -> BuildResult {
        let [h, w, c] = self.image_sizes(name, "conv2d", x)?;
        if layer.groups == 0 || !c.is_multiple_of(layer.groups) {
            let message = format!("{c} input channels cannot be dealt to {} groups", layer.groups);
            return fail(name, TypeError::operand(0, message));
        }
        let shape = [layer.kernel[0], layer.kernel[1], c / layer.groups, layer.filters];
        let kernel = self.parameter(name, "kernel", &shape, Initializer::GlorotUniform, true)?;
        self.convolve(name, [x, kernel], [h, w], layer)
    }

    /// A convolution of `x` of shape `[N, h, w, c]` with filters that read one channel each: `filters` for each
    /// channel, side by side. The kernel has shape `[r, s, c, filters]`; the groups of `layer` count for nothing.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn depthwise_conv2d(&mut self, name: &str, x: NodeId, layer: &Convolution) -> BuildResult {
        let [h, w, c] = self.image_sizes(name, "depthwise_conv2d", x)?;
        let ([r, s], filters) = (layer.kernel, layer.filters);
        let kernel = self.parameter(name, "kernel", &[r, s, c, filters], Initializer::GlorotUniform, true)?;
        let layer = Convolution { filters: c.saturating_mul(filters), groups: c, ..layer.clone() };
        // The same words, a filter of one channel each.
        let shape = Shape::fixed(&[r, s, 1, layer.filters]);
        let filters = self.add(name, &format!("{name}.filters"), Reshape { shape }.into(), &[kernel])?;
        self.convolve(name, [x, filters], [h, w], &layer)
    }

    /// The convolution itself of images of size `image`, once there is a kernel.
    fn convolve(&mut self, name: &str, operands: [NodeId; 2], image: [usize; 2], layer: &Convolution) -> BuildResult {
        let padding = layer.padding.resolve(image, Windows::span(layer.kernel, layer.dilation), layer.strides);
        let windows = Windows { strides: layer.strides, padding, dilation: layer.dilation, groups: layer.groups };
        let bias = layer.use_bias.then_some(layer.filters);
        self.affine(name, Conv2d::of(windows).into(), operands, bias, layer.activation.clone())
    }

    /// The linear op, its bias and activation; the last of them is called `name`.
    fn affine(
        &mut self,
        name: &str,
        linear: Op,
        operands: [NodeId; 2],
        bias: Option<usize>,
        activation: Option<Activation>,
    ) -> BuildResult {
        let inner = |last: bool, part: &str| if last { name.to_string() } else { format!("{name}.{part}") };
        let linear_name = inner(bias.is_none() && activation.is_none(), linear.name());
        let mut value = self.add(name, &linear_name, linear, &operands)?;
        if let Some(size) = bias {
            let bias = self.parameter(name, "bias", &[size], Initializer::Constant(0.0), true)?;
            value = self.add(name, &inner(activation.is_none(), "bias_add"), Add {}.into(), &[value, bias])?;
        }
        match activation {
            Some(activation) => self.add(name, name, activation.0, &[value]),
            None => Ok(value),
        }
    }

    /// Batch normalisation over every dimension but the last: batch statistics in training, moving
    /// averages in inference.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn batch_norm(&mut self, name: &str, x: NodeId, momentum: f64, epsilon: f64) -> BuildResult {
        let ty = self.ty(x).clone();
        if ty.rank() < 2 {
            let message = format!("batch_norm expects shape [N,…,c], got {}", ty.shape);
            return fail(name, TypeError::operand(0, message));
        }
        let c = at_operand_0(name, ty.fixed_dim(ty.rank() - 1, "the channel dimension"))?;
        let mut operands = vec![x];
        for (weight, value, trainable) in
            [("gamma", 1.0, true), ("beta", 0.0, true), ("moving_mean", 0.0, false), ("moving_variance", 1.0, false)]
        {
            operands.push(self.parameter(name, weight, &[c], Initializer::Constant(value), trainable)?);
        }
        self.add(name, name, BatchNorm { momentum, epsilon }.into(), &operands)
    }

    /// Zeroes elements with probability `rate` in training and scales the others by `1 / (1 - rate)`.
    /// The mask follows from `seed` and the input `step`.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn dropout(&mut self, name: &str, x: NodeId, rate: f64, seed: i64) -> BuildResult {
        let step = self.step_input(name)?;
        self.add(name, name, Dropout { rate, seed }.into(), &[x, step])
    }

    /// The input that counts steps, made if it is not there yet.
    fn step_input(&mut self, layer: &str) -> BuildResult {
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

    /// An activation as a node of its own.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn activation(&mut self, name: &str, x: NodeId, activation: Activation) -> BuildResult {
        self.op(name, activation.0, &[x])
    }

    /// Means of windows.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn avg_pool2d(&mut self, name: &str, x: NodeId, layer: &Pool) -> BuildResult {
        let [h, w, _] = self.image_sizes(name, "avg_pool2d", x)?;
        let padding = layer.padding.resolve([h, w], layer.pool, layer.strides);
        self.op(name, AvgPool2d { pool: layer.pool, strides: layer.strides, padding }, &[x])
    }

    /// Maxima of windows.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn max_pool2d(&mut self, name: &str, x: NodeId, layer: &Pool) -> BuildResult {
        let [h, w, _] = self.image_sizes(name, "max_pool2d", x)?;
        let padding = layer.padding.resolve([h, w], layer.pool, layer.strides);
        self.op(name, MaxPool2d { pool: layer.pool, strides: layer.strides, padding }, &[x])
    }

    /// All dimensions but the batch in one, in row-major (NHWC) order.
    ///
    /// # Errors
    /// If there is no batch dimension in front.
    pub fn flatten(&mut self, name: &str, x: NodeId) -> BuildResult {
        let shape = self.ty(x).shape.clone();
        if shape.batch_axis() != Some(0) {
            return fail(name, TypeError::operand(0, format!("flatten expects shape [N,…], got {shape}")));
        }
        self.op(name, Reshape { shape: Shape::batched(&[shape.fixed_len()]) }, &[x])
    }

    /// How the parameters are updated.
    pub fn optimizer(&mut self, optimizer: impl Into<Optimizer>) {
        self.graph.optimizer = Some(optimizer.into());
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

    /// Height, width and channels of an image operand.
    fn image_sizes(&self, name: &str, op: &str, x: NodeId) -> Result<[usize; 3], BuildError> {
        let ty = self.ty(x);
        match ty.shape.0.as_slice() {
            &[_, Dim::Fixed(h), Dim::Fixed(w), Dim::Fixed(c)] if ty.dtype == DType::F32 => Ok([h, w, c]),
            _ => fail(name, TypeError::operand(0, format!("{op} expects f32 images of shape [N,h,w,c], got {ty}"))),
        }
    }

    /// Adds a node of `layer`.
    pub(super) fn add(&mut self, layer: &str, name: &str, op: Op, operands: &[NodeId]) -> BuildResult {
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
        let mut bytes = Some(4u64);
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

fn at_operand_0<T>(node: &str, result: Result<T, TypeError>) -> Result<T, BuildError> {
    result.map_err(|error| BuildError { node: node.to_string(), error: TypeError { operand: Some(0), ..error } })
}
