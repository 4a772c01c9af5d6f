//! `exp`: `e^x`.

use super::facts::{Domain, Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::UnaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `e^x`.
    pub struct Exp {}
}

impl OpRules for Exp {
    const NAME: &'static str = "exp";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "exponential function, `e^x`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Makes logarithms numbers again; results are greater than 0.",
        node: "positive",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::of(&[Domain::Within(2.5)]));

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x.exp())
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy * y
        vec![Some(cx.times(dy, cx.node))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| build::unary(UnaryOp::Exp, loads.remove(0)))
    }
}
