//! `mul`: `a * b` under NumPy broadcasting.

use super::facts::{Elementwise, MAPS, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `a * b` under NumPy broadcasting.
    pub struct Mul {}
}

impl OpRules for Mul {
    const NAME: &'static str = "mul";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "`a * b`, with NumPy broadcasting";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Gates and scales one branch by another.",
        node: "gated",
        reads: &[MAPS, ("gate", DType::F32, &[1, 1, 6])],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::BINARY);

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[a, b]| a * b)
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // d(a * b) = b da + a db
        let [a, b] = [0, 1].map(|i| cx.operands[i]);
        let [da, db] = [cx.times(dy, b), cx.times(dy, a)];
        let [a, b] = [a, b].map(|id| cx.ty(id).shape);
        vec![Some(cx.unbroadcast(da, &a)), Some(cx.unbroadcast(db, &b))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |loads| {
            let [a, b] = loads.try_into().expect("two operands");
            build::binary(BinaryOp::Mul, a, b)
        })
    }
}
