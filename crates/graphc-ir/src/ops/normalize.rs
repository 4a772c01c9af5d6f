//! `normalize`: the last axis shifted and scaled by given statistics, then by learned parameters.

use super::draw::{Draw, Drawn, Operand};
use super::facts::Domain;
use super::{Expand, OpRules, Sqrt, elementwise};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Shape, TensorType, TypeError};

op_struct! {
    /// `(x - mean) * gamma / sqrt(variance + epsilon) + beta`, all parameters of shape `[c]` for a last
    /// dimension of size `c`.
    pub struct Normalize {
        /// Added to the variance.
        pub epsilon: f64,
    }
}

/// What normalising ops accept: `x` whose last dimension has a fixed size `c`, then vectors of `c`.
pub(super) fn infer(name: &str, operands: &[&TensorType], vectors: [&str; 4]) -> Result<TensorType, TypeError> {
    let x = operands[0];
    if x.dtype != DType::F32 || x.rank() == 0 {
        return Err(TypeError::operand(0, format!("{name} expects an f32 tensor of shape [..,c], got {x}")));
    }
    let c = x.fixed_dim(x.rank() - 1, &format!("the last dimension, which {name} keeps,"))?;
    let expected = TensorType::f32(Shape::fixed(&[c]));
    for (i, vector) in vectors.into_iter().enumerate() {
        if *operands[i + 1] != expected {
            return Err(TypeError::operand(
                i + 1,
                format!("{name} expects {vector} of type {expected} for input {x}, got {}", operands[i + 1]),
            ));
        }
    }
    Ok(x.clone())
}

/// The shape of the vectors that normalise these rows.
pub(super) fn vector_of(rows: &Operand) -> Shape {
    Shape(rows.shape().0[rows.ty.rank() - 1..].to_vec())
}

/// What the forward and the backward formulas share; built alike, so that common subexpression
/// elimination finds it.
struct Factors {
    /// `variance + epsilon`
    variance: NodeId,
    /// `1 / sqrt(variance + epsilon)`
    inverse_deviation: NodeId,
    /// `gamma * inverse_deviation`
    scale: NodeId,
}

impl Normalize {
    fn factors(&self, cx: &mut OpCx<'_>) -> Factors {
        let [variance, gamma] = [2, 3].map(|i| cx.operands[i]);
        let epsilon = cx.constant(self.epsilon);
        let variance = cx.plus(variance, epsilon);
        let deviation = cx.add(Sqrt {}, &[variance]);
        let one = cx.constant(1.0);
        let inverse_deviation = cx.over(one, deviation);
        let scale = cx.times(gamma, inverse_deviation);
        Factors { variance, inverse_deviation, scale }
    }
}

impl OpRules for Normalize {
    const NAME: &'static str = "normalize";
    const ARITY: usize = 5;
    const SUMMARY: &'static str = "(x - mean) * gamma / sqrt(variance + epsilon) + beta along the last axis, \
                                   from (x, mean, variance, gamma, beta)";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        infer(Self::NAME, operands, ["a mean", "a variance", "a gamma", "a beta"])
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let epsilon = R::from_f64(self.epsilon);
        elementwise::eval(operands, out, |[x, mean, variance, gamma, beta]| {
            (x - mean) * (gamma / (variance + epsilon).sqrt()) + beta
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // With i = 1/sqrt(variance + epsilon), scale = gamma * i, and the only two sums over x,
        // s = sum(dy) and t = sum(dy * (x - mean)):
        // dx = dy * scale, d_mean = -scale * s, d_variance = -1/2 * t * scale / (variance + epsilon),
        // d_gamma = t * i, d_beta = s
        let [x, mean] = [cx.operands[0], cx.operands[1]];
        let vector = cx.ty(mean).shape;
        let factors = self.factors(cx);
        let deviation = cx.minus(x, mean);
        let product = cx.times(dy, deviation);
        let s = cx.unbroadcast(dy, &vector);
        let t = cx.unbroadcast(product, &vector);
        let dx = cx.times(dy, factors.scale);
        let scaled_s = cx.times(factors.scale, s);
        let d_mean = cx.negative(scaled_s);
        let scaled_t = cx.times(factors.scale, t);
        let scaled_t = cx.over(scaled_t, factors.variance);
        let d_variance = cx.scaled(scaled_t, -0.5);
        let d_gamma = cx.times(t, factors.inverse_deviation);
        [dx, d_mean, d_variance, d_gamma, s].map(Some).to_vec()
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::AfterAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let [x, mean, beta] = [0, 1, 4].map(|i| cx.operands[i]);
        let scale = self.factors(cx).scale;
        let deviation = cx.minus(x, mean);
        let scaled = cx.times(deviation, scale);
        cx.plus(scaled, beta)
    }

    fn domain(&self, operand: usize, _: &[&TensorType]) -> Domain {
        if operand == 2 { Domain::AtLeast(0.125) } else { Domain::Any }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.rows(1)?;
        let vectors = [0; 4].map(|_| draw.learned(vector_of(&x)));
        let operands: Vec<Operand> = [x].into_iter().chain(vectors).collect();
        Some(Drawn::of(Normalize { epsilon: [0.01, 0.1][draw.pick(2)] }, operands))
    }
}
