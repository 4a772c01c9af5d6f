//! `gelu`: the Gaussian error linear unit (Hendrycks and Gimpel 2016).

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Expand, Ndtr, OpRules, Sigmoid, elementwise};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

/// `2 * sqrt(2 / pi)`
const SLOPE: f64 = 1.595_769_121_605_730_8;
/// That times the factor of the paper.
const CUBIC: f64 = SLOPE * 0.044_715;

op_struct! {
    /// `x * ndtr(x)`, that is `x / 2 * (1 + erf(x / sqrt(2)))`, as in Keras 3; NaN at minus infinity.
    pub struct Gelu {
        /// Whether it is `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))` instead, which differs by less than
        /// 5e-4.
        pub approximate: bool = false,
    }
}

impl OpRules for Gelu {
    const NAME: &'static str = "gelu";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "Gaussian error linear unit, `x` times the share of a normal distribution below it";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Activation of transformers: smooth, a little below 0 before it rises.",
        node: "gelu1",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY);

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        if !self.approximate {
            return elementwise::eval(operands, out, |[x]| x * x.ndtr());
        }
        let [slope, cubic] = [SLOPE, CUBIC].map(R::from_f64);
        elementwise::eval(operands, out, |[x]| x * (R::one() / (R::one() + (-(x * (slope + cubic * (x * x)))).exp())))
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let x = cx.operands[0];
        if !self.approximate {
            let below = cx.add(Ndtr {}, &[x]);
            return cx.times(x, below);
        }
        // (1 + tanh(u)) / 2 = sigmoid(2 u), which keeps the digits of small results
        let square = cx.times(x, x);
        let cubic = cx.scaled(square, CUBIC);
        let slope = cx.constant(SLOPE);
        let slope = cx.plus(cubic, slope);
        let double = cx.times(x, slope);
        let share = cx.add(Sigmoid {}, &[double]);
        cx.times(x, share)
    }
}
