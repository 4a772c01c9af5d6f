//! `cos`: the cosine.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, Sin, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::UnaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// Cosine of radians, with a relative error of 2e-7 up to a magnitude of 1e6, and an error of 1e-5 up to 1e7.
    /// Beyond, where the next `f32` is 1 away or more, it is any number from -1 to 1; NaN at infinities.
    pub struct Cos {}
}

impl OpRules for Cos {
    const NAME: &'static str = "cos";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "cosine of radians";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "The other half of an angle, beside `sin`.",
        node: "wave",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY);

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x.cos())
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = -dy * sin(x)
        let sine = cx.add(Sin {}, &[cx.operands[0]]);
        let turned = cx.negative(dy);
        vec![Some(cx.times(turned, sine))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| build::unary(UnaryOp::Cos, loads.remove(0)))
    }
}
