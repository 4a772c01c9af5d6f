//! `expm1`: `e^x - 1`.

use super::facts::{Domain, Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::UnaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `e^x - 1`, which keeps the digits of small results, as NumPy's `expm1`.
    pub struct Expm1 {}
}

impl OpRules for Expm1 {
    const NAME: &'static str = "expm1";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "`exp(x) - 1` without loss of digits near 0";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Growth by small rates.",
        node: "growth",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::of(&[Domain::Within(2.5)]));

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x.exp_m1())
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy * (y + 1)
        let one = cx.constant(1.0);
        let slope = cx.plus(cx.node, one);
        vec![Some(cx.times(dy, slope))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| build::unary(UnaryOp::Expm1, loads.remove(0)))
    }
}
