//! A random graph under construction: what is there, how large it may become, and the choices left.

use crate::recipe::SIZES;
use graphc_ir::graph::{Graph, NodeId, Origin};
use graphc_ir::ops::draw::{Draw, Operand};
use graphc_ir::ops::*;
use graphc_ir::types::{DType, Shape, TensorType};
use std::collections::BTreeMap;

/// Most elements of one tensor, the batch included.
pub(super) const MAX_NODE: usize = 6_000;

/// Most elements of all tensors of a forward graph.
pub(super) const MAX_GRAPH: usize = 20_000;

/// A value whose bound grows above this is scaled down to [`SCALED_BOUND`].
pub(super) const MAX_BOUND: f64 = 32.0;
pub(super) const SCALED_BOUND: f64 = 8.0;

/// No input and no parameter is greater in magnitude.
const LEAF_BOUND: f64 = 2.0;

/// A graph under construction.
pub(super) struct Builder {
    pub(super) graph: Graph,
    pub(super) batch: usize,
    /// `f32` nodes that later steps may read.
    pub(super) tensors: Vec<NodeId>,
    /// The same of `i32`.
    pub(super) integers: Vec<NodeId>,
    /// What was chosen as operands in this step.
    pub(super) chosen: Vec<Source>,
    /// Upper bounds of magnitudes.
    pub(super) bounds: BTreeMap<NodeId, f64>,
    /// Choices left in this step; zeros after them.
    pub(super) choices: Vec<u8>,
    pub(super) n_elements: usize,
    pub(super) n_leaves: usize,
}

/// What an operand is to be.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A node that is there.
    Node(NodeId),
    /// Given numbers.
    Given(TensorType),
    /// A parameter that is trained, most of the time.
    Learned(Shape),
    /// One that is not.
    Kept(Shape),
}

impl Builder {
    /// One of the tensors for which `fits` holds; the latest half of the time.
    pub(super) fn node(&mut self, fits: impl Fn(&Shape) -> bool) -> Option<NodeId> {
        let fitting: Vec<NodeId> =
            self.tensors.iter().rev().copied().filter(|&id| fits(&self.graph.ty(id).shape)).collect();
        let choice = self.pick((2 * fitting.len()).max(1));
        fitting.get(choice).or(fitting.first()).copied()
    }

    pub(super) fn shape(&self, id: NodeId) -> Shape {
        self.graph.ty(id).shape.clone()
    }

    pub(super) fn bound(&self, id: NodeId) -> f64 {
        self.bounds[&id]
    }

    /// Number of terms of a reduction over `axes`.
    pub(super) fn n_terms(&self, id: NodeId, axes: &[usize]) -> usize {
        let sizes = self.graph.sizes(id);
        axes.iter().map(|&axis| sizes[axis]).product()
    }

    /// Adds a node whose magnitude is at most `bound`, if it type-checks and is not too large.
    pub(super) fn add(&mut self, op: impl Into<Op>, operands: &[NodeId], bound: f64) -> Option<NodeId> {
        let op = op.into();
        let types: Vec<&TensorType> = operands.iter().map(|&id| self.graph.ty(id)).collect();
        let ty = op.infer(&types).ok()?;
        let n_elements: usize = ty.shape.sizes(Some(self.batch)).iter().product();
        if n_elements > MAX_NODE || self.n_elements + n_elements > MAX_GRAPH {
            return None;
        }
        self.n_elements += n_elements;
        let layer = format!("{}{}", op.name(), self.graph.len());
        let id = self.graph.add(op, operands, "", Origin::layer(&layer, self.graph.len() as u32)).ok()?;
        self.bounds.insert(id, bound);
        if bound <= MAX_BOUND || ty.dtype != DType::F32 {
            return Some(id);
        }
        let factor = self.constant(SCALED_BOUND / bound)?;
        self.add(Mul {}, &[id, factor], SCALED_BOUND)
    }

    pub(super) fn constant(&mut self, value: f64) -> Option<NodeId> {
        self.add(Constant { value, shape: Shape::scalar() }, &[], value.abs())
    }

    pub(super) fn leaf(&mut self, op: impl Into<Op>, kind: &str) -> Option<NodeId> {
        let id = self.add(op, &[], LEAF_BOUND)?;
        self.graph.node_mut(id).name = format!("{kind}{}", self.n_leaves);
        self.n_leaves += 1;
        Some(id)
    }

    pub(super) fn input(&mut self, dtype: DType, shape: Shape) -> Option<NodeId> {
        self.leaf(Input { dtype, shape }, "input")
    }

    pub(super) fn parameter(&mut self, shape: Shape) -> Option<NodeId> {
        let trainable = self.pick(6) != 5;
        self.parameter_of(shape, trainable)
    }

    pub(super) fn parameter_of(&mut self, shape: Shape, trainable: bool) -> Option<NodeId> {
        let initializer = if trainable { Initializer::KERNEL } else { Initializer::Constant(0.5) };
        self.leaf(Parameter { shape, initializer, trainable }, "parameter")
    }

    /// `x * x + value`.
    pub(super) fn square_plus(&mut self, x: NodeId, value: f64) -> Option<NodeId> {
        let square = self.add(Mul {}, &[x, x], self.bound(x).powi(2))?;
        let value_node = self.constant(value)?;
        self.add(Add {}, &[square, value_node], self.bound(square) + value)
    }

    /// A tensor chosen as an operand, until this step ends.
    fn chosen(&mut self, ty: TensorType, bound: f64, source: Source) -> Operand {
        self.chosen.push(source);
        Operand { ty, bound, key: self.chosen.len() - 1 }
    }
}

impl Draw for Builder {
    fn pick(&mut self, n: usize) -> usize {
        if self.choices.is_empty() { 0 } else { self.choices.remove(0) as usize % n }
    }

    fn size(&mut self) -> usize {
        SIZES[self.pick(SIZES.len())]
    }

    fn tensor(&mut self, fits: &dyn Fn(&Shape) -> bool) -> Option<Operand> {
        let id = self.node(fits)?;
        Some(self.chosen(self.graph.ty(id).clone(), self.bound(id), Source::Node(id)))
    }

    fn given(&mut self, ty: TensorType) -> Operand {
        self.chosen(ty.clone(), LEAF_BOUND, Source::Given(ty))
    }

    fn learned(&mut self, shape: Shape) -> Operand {
        self.chosen(TensorType::f32(shape.clone()), LEAF_BOUND, Source::Learned(shape))
    }

    fn kept(&mut self, shape: Shape) -> Operand {
        self.chosen(TensorType::f32(shape.clone()), LEAF_BOUND, Source::Kept(shape))
    }
}
