//! `div`: `a / b` under NumPy broadcasting.

use super::facts::{Domain, Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `a / b` under NumPy broadcasting.
    pub struct Div {}
}

impl OpRules for Div {
    const NAME: &'static str = "div";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "`a / b`, with NumPy broadcasting";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Ratios, such as by a norm.",
        node: "unit",
        reads: &[FEATURES, ("norm", DType::F32, &[1])],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::of(&[Domain::Any, Domain::AtLeast(0.5)]));

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[a, b]| a / b)
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // d(a / b) = da / b - (a / b) / b db
        let [a, b] = [0, 1].map(|i| cx.operands[i]);
        let da = cx.over(dy, b);
        let y_over_b = cx.over(cx.node, b);
        let db = cx.times(dy, y_over_b);
        let minus_db = cx.negative(db);
        let [a, b] = [a, b].map(|id| cx.ty(id).shape);
        vec![Some(cx.unbroadcast(da, &a)), Some(cx.unbroadcast(minus_db, &b))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |loads| {
            let [a, b] = loads.try_into().expect("two operands");
            build::binary(BinaryOp::Div, a, b)
        })
    }
}
