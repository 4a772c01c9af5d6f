//! `add`: `a + b` under NumPy broadcasting.

use super::facts::{Elementwise, MAPS, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `a + b` under NumPy broadcasting.
    pub struct Add {}
}

impl OpRules for Add {
    const NAME: &'static str = "add";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "`a + b`, with NumPy broadcasting";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Joins two branches, as the shortcut of a residual net.",
        node: "sum",
        reads: &[MAPS, ("shortcut", DType::F32, &[24, 24, 6])],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::BINARY);

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[a, b]| a + b)
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // d(a + b) = da + db
        let [a, b] = [0, 1].map(|i| cx.ty(cx.operands[i]).shape);
        vec![Some(cx.unbroadcast(dy, &a)), Some(cx.unbroadcast(dy, &b))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |loads| {
            let [a, b] = loads.try_into().expect("two operands");
            build::binary(BinaryOp::Add, a, b)
        })
    }
}
