//! `ndtr`: the distribution function of the normal distribution.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Exp, Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::UnaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

op_struct! {
    /// The share of a standard normal distribution that lies below `x`, `(1 + erf(x / sqrt(2))) / 2`, as
    /// `torch.special.ndtr`. Small shares have all their digits.
    pub struct Ndtr {}
}

impl OpRules for Ndtr {
    const NAME: &'static str = "ndtr";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "share of a standard normal distribution below `x`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Makes a probability of a number, as `sigmoid` does, with shorter tails.",
        node: "share",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY);

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x.ndtr())
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy * exp(-x^2 / 2) / sqrt(2 pi)
        let x = cx.operands[0];
        let square = cx.times(x, x);
        let exponent = cx.scaled(square, -0.5);
        let power = cx.add(Exp {}, &[exponent]);
        let slope = cx.scaled(power, 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2);
        vec![Some(cx.times(dy, slope))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| build::unary(UnaryOp::Ndtr, loads.remove(0)))
    }
}
