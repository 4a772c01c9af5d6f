//! `sin`: the sine.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Cos, Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::UnaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// Sine of radians, with a relative error of 2e-7 up to a magnitude of 1e6, and an error of 1e-5 up to 1e7. Beyond,
    /// where the next `f32` is 1 away or more, it is any number from -1 to 1; NaN at infinities.
    pub struct Sin {}
}

impl OpRules for Sin {
    const NAME: &'static str = "sin";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "sine of radians";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Positions, hours and other angles as numbers that come round again.",
        node: "wave",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY);

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x.sin())
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy * cos(x)
        let slope = cx.add(Cos {}, &[cx.operands[0]]);
        vec![Some(cx.times(dy, slope))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| build::unary(UnaryOp::Sin, loads.remove(0)))
    }
}
