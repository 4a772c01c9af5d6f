//! [`LayerCx`]: what a layer builds itself with.

use super::activation::Activation;
use crate::graph::NodeId;
use crate::graph::builder::{BuildError, BuildResult, GraphBuilder};
use crate::ops::{Add, Algorithm, Initializer, Op, Windows};
use crate::types::{DType, Dim, TensorType, TypeError};

/// The builder, the name of the layer and what it reads.
pub struct LayerCx<'a> {
    builder: &'a mut GraphBuilder,
    name: &'a str,
    /// What the layer reads, as many tensors as it has names for.
    pub inputs: &'a [NodeId],
    position: usize,
}

/// What follows the linear op of a layer.
pub(super) struct Affine<'a> {
    /// Number of outputs and what their biases begin with, if they have any.
    pub(super) bias: Option<(usize, &'a Initializer)>,
    pub(super) activation: &'a Option<Activation>,
}

impl<'a> LayerCx<'a> {
    pub(super) fn new(builder: &'a mut GraphBuilder, name: &'a str, inputs: &'a [NodeId]) -> LayerCx<'a> {
        let position = builder.take_position();
        LayerCx { builder, name, inputs, position }
    }

    /// Type of a node's result.
    pub fn ty(&self, node: NodeId) -> TensorType {
        self.builder.ty(node).clone()
    }

    /// The layer's result: a node of its name.
    ///
    /// # Errors
    /// If the name is taken, or the op does not accept the operands.
    pub fn add(&mut self, op: impl Into<Op>, operands: &[NodeId]) -> BuildResult {
        self.builder.add(self.name, self.name, op.into(), operands)
    }

    /// Another node, called `<layer>.<part>`.
    ///
    /// # Errors
    /// If the name is taken, or the op does not accept the operands.
    pub fn part(&mut self, part: &str, op: impl Into<Op>, operands: &[NodeId]) -> BuildResult {
        self.builder.add(self.name, &format!("{}.{part}", self.name), op.into(), operands)
    }

    /// A parameter `<layer>.<weight>` that is trained, if the layer is.
    ///
    /// # Errors
    /// If the name is taken or the shape is not acceptable.
    pub fn weight(&mut self, weight: &str, shape: &[usize], initializer: Initializer) -> BuildResult {
        self.builder.weight(self.name, weight, shape, initializer)
    }

    /// Whether its weights are trained.
    pub fn trainable(&self) -> bool {
        self.builder.trainable()
    }

    /// A parameter `<layer>.<statistic>` that the optimizer leaves alone.
    ///
    /// # Errors
    /// If the name is taken or the shape is not acceptable.
    pub fn statistic(&mut self, statistic: &str, shape: &[usize], initializer: Initializer) -> BuildResult {
        self.builder.parameter(self.name, statistic, shape, initializer, false)
    }

    /// The input that counts steps, made if it is not there yet.
    ///
    /// # Errors
    /// If something else has its name.
    pub fn step(&mut self) -> BuildResult {
        self.builder.step_input(self.name)
    }

    /// The seed of a layer that draws random numbers and was given none: its position in the network.
    pub fn default_seed(&self) -> i64 {
        self.position as i64
    }

    /// What does not fit is told in the layer's name.
    ///
    /// # Errors
    /// Always.
    pub fn fail<T>(&self, error: TypeError) -> Result<T, BuildError> {
        Err(BuildError { node: self.name.to_string(), error })
    }

    /// Height, width and channels of an image that the layer reads; `layer` is what it is called.
    pub(super) fn image_sizes(&self, layer: &str, image: NodeId) -> Result<[usize; 3], BuildError> {
        let ty = self.builder.ty(image);
        match ty.shape.0.as_slice() {
            &[_, Dim::Fixed(h), Dim::Fixed(w), Dim::Fixed(c)] if ty.dtype == DType::F32 => Ok([h, w, c]),
            _ => self.fail(TypeError::operand(0, format!("{layer} expects f32 images of shape [N,h,w,c], got {ty}"))),
        }
    }

    /// How a convolution with that kernel is computed: as it says itself, or else as the network says where that fits.
    pub(super) fn algorithm(&self, own: Option<Algorithm>, windows: &Windows, kernel: &[usize]) -> Algorithm {
        own.unwrap_or_else(|| windows.suited(self.builder.algorithm(), kernel))
    }

    /// Size of a dimension that is not the batch; `what` it is.
    pub(super) fn fixed_dim(&self, ty: &TensorType, axis: usize, what: &str) -> Result<usize, BuildError> {
        ty.fixed_dim(axis, what).or_else(|error| self.fail(TypeError { operand: Some(0), ..error }))
    }

    /// The linear op, its bias and activation; the last of them is the layer's result.
    pub(super) fn affine(&mut self, linear: impl Into<Op>, operands: [NodeId; 2], affine: &Affine<'_>) -> BuildResult {
        let linear = linear.into();
        let Affine { bias, activation } = *affine;
        let linear_name = linear.name();
        let mut value = match (bias, activation) {
            (None, None) => return self.add(linear, &operands),
            _ => self.part(linear_name, linear, &operands)?,
        };
        if let Some((size, initializer)) = bias {
            let bias = self.weight("bias", &[size], initializer.clone())?;
            value = match activation {
                None => return self.add(Add {}, &[value, bias]),
                Some(_) => self.part("bias_add", Add {}, &[value, bias])?,
            };
        }
        match activation {
            Some(activation) => self.add(activation.op().clone(), &[value]),
            None => Ok(value),
        }
    }
}
