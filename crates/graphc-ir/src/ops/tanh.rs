//! `tanh`: hyperbolic tangent.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::UnaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// Hyperbolic tangent.
    pub struct Tanh {}
}

impl OpRules for Tanh {
    const NAME: &'static str = "tanh";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "hyperbolic tangent";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Activation with results between -1 and 1.",
        node: "tanh1",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY);

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x.tanh())
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy * (1 - y^2)
        let y = cx.node;
        let y_squared = cx.times(y, y);
        let one = cx.constant(1.0);
        let slope = cx.minus(one, y_squared);
        vec![Some(cx.times(dy, slope))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| build::unary(UnaryOp::Tanh, loads.remove(0)))
    }
}
