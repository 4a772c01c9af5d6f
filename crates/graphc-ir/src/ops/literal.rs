//! `literal`: a tensor of given numbers.

use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::{Lowering, OpRules};
use crate::attrs::{Numbers, OpAttrs};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Shape, TensorType, TypeError};

op_struct! {
    /// A tensor of given numbers. It is shared, not copied, with the graph.
    pub struct Literal {
        /// What the numbers are: `f32`, or whole numbers.
        pub dtype: DType = DType::F32,
        /// The sizes.
        pub shape: Shape,
        /// The numbers, row by row.
        pub values: Numbers,
    }
}

impl Literal {
    /// An `f32` tensor.
    pub fn f32(sizes: &[usize], values: impl Into<Numbers>) -> Literal {
        Literal { dtype: DType::F32, shape: Shape::fixed(sizes), values: values.into() }
    }

    /// An `i32` tensor.
    pub fn i32(sizes: &[usize], values: impl Into<Numbers>) -> Literal {
        Literal { dtype: DType::I32, ..Literal::f32(sizes, values) }
    }

    /// The elements as 32-bit words, row by row.
    pub fn to_words(&self) -> Vec<u32> {
        let word = |&value: &f64| match self.dtype {
            DType::F32 => (value as f32).to_bits(),
            DType::I32 => (value as i32).cast_unsigned(),
        };
        self.values.0.iter().map(word).collect()
    }
}

impl OpRules for Literal {
    const NAME: &'static str = "literal";
    const ARITY: usize = 0;
    const SUMMARY: &'static str = "a tensor of given numbers";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Fixed numbers: a filter, weights of classes, positions.",
        node: "weights",
        reads: &[],
        attributes: || Literal::f32(&[3], [0.25, 0.5, 0.25]).attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, _: &[&TensorType]) -> Result<TensorType, TypeError> {
        let (shape, n) = (&self.shape, self.values.0.len());
        if shape.batch_axis().is_some() {
            return Err(TypeError::new(format!("literal expects a shape without the batch dimension N, got {shape}")));
        }
        if shape.fixed_len() != n {
            let expected = shape.fixed_len();
            return Err(TypeError::new(format!("literal of shape {shape} expects {expected} values, got {n}")));
        }
        let is_no_integer = |value: &&f64| f64::from(**value as i32) != **value;
        if let (DType::I32, Some(value)) = (self.dtype, self.values.0.iter().find(is_no_integer)) {
            return Err(TypeError::new(format!("literal expects whole numbers of 32 bits for i32, got {value}")));
        }
        Ok(TensorType { dtype: self.dtype, shape: shape.clone() })
    }

    fn eval<R: Real>(&self, _: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        Tensor::new(out.to_vec(), self.values.0.iter().map(|&value| R::from_f64(value)).collect())
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        Vec::new()
    }

    fn lower(&self, _: &[&TensorType], _: &TensorType) -> Lowering {
        Lowering::Leaf
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let sizes: Vec<usize> = (0..draw.pick(4)).map(|_| draw.size()).collect();
        let n = sizes.iter().product();
        let values: Vec<f64> = (0..n).map(|i| ((i * 37 + draw.pick(9)) % 17) as f64 / 8.0 - 1.0).collect();
        Some(Drawn::of(Literal::f32(&sizes, values), []).within(1.0))
    }
}
