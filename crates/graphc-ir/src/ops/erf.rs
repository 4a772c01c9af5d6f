//! `erf`: the error function.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Exp, Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::UnaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};
use std::f64::consts::FRAC_2_SQRT_PI;

op_struct! {
    /// The error function, `2 / sqrt(pi)` times the integral of `exp(-t^2)` from 0 to `x`, as in Keras 3.
    pub struct Erf {}
}

impl OpRules for Erf {
    const NAME: &'static str = "erf";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "error function";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "How much of a normal distribution lies within a distance of its mean; `ndtr` is the share below.",
        node: "spread",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY);

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x.erf())
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy * 2 / sqrt(pi) * exp(-x^2)
        let x = cx.operands[0];
        let square = cx.times(x, x);
        let exponent = cx.scaled(square, -1.0);
        let power = cx.add(Exp {}, &[exponent]);
        let slope = cx.scaled(power, FRAC_2_SQRT_PI);
        vec![Some(cx.times(dy, slope))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| build::unary(UnaryOp::Erf, loads.remove(0)))
    }
}
