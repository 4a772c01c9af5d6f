//! `parameter`: a tensor kept between steps: a weight, a moving statistic, optimizer state.

use super::{Lowering, OpRules};
use crate::attrs::{AttrField, AttrValue, AttrWords};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{Shape, TensorType, TypeError};

op_struct! {
    /// A tensor kept between steps; the node's name is the tensor's name in weight files.
    pub struct Parameter {
        /// Shape, without `N`.
        pub shape: Shape,
        /// First value.
        pub initializer: Initializer,
        /// Whether the optimizer updates it.
        pub trainable: bool,
    }
}

/// First value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Initializer {
    /// Every element the same.
    Constant(f64),
    /// Uniform in `±sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio 2010), with Keras's fans: the
    /// last two dimensions times the receptive field before them.
    GlorotUniform,
}

impl AttrField for Initializer {
    const EXPECTED: &'static str = "a number or \"glorot_uniform\"";

    fn to_attr(&self) -> AttrValue {
        match self {
            Initializer::Constant(value) => AttrValue::Float(*value),
            Initializer::GlorotUniform => AttrValue::Str("glorot_uniform".to_string()),
        }
    }

    fn from_attr(value: &AttrValue) -> Option<Initializer> {
        match value {
            AttrValue::Str(name) if name == "glorot_uniform" => Some(Initializer::GlorotUniform),
            value => f64::from_attr(value).map(Initializer::Constant),
        }
    }

    fn write_words(&self, words: &mut AttrWords) {
        match self {
            Initializer::Constant(value) => words.extend([0, value.to_bits()]),
            Initializer::GlorotUniform => words.extend([1]),
        }
    }
}

impl OpRules for Parameter {
    const NAME: &'static str = "parameter";
    const ARITY: usize = 0;
    const SUMMARY: &'static str = "a tensor kept between steps";
    const IS_EXACT: bool = true;
    const NOT_DRAWN: Option<&'static str> = Some("a leaf: its value is given");

    fn infer(&self, _: &[&TensorType]) -> Result<TensorType, TypeError> {
        if self.shape.batch_axis().is_some() {
            return Err(TypeError::new(format!("a parameter has no batch dimension, got shape {}", self.shape)));
        }
        Ok(TensorType::f32(self.shape.clone()))
    }

    fn eval<R: Real>(&self, _: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        panic!("the interpreter binds parameters")
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        Vec::new()
    }

    fn lower(&self, _: &[&TensorType], _: &TensorType) -> Lowering {
        Lowering::Leaf
    }
}
