//! `sign`: -1, 0 or 1.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::{ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// 1 above 0, -1 below it, 0 at it, NaN at NaN.
    pub struct Sign {}
}

impl OpRules for Sign {
    const NAME: &'static str = "sign";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "1 where `x > 0`, -1 where `x < 0`, else 0";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Directions without their size. It has no gradient.",
        node: "direction",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY.with_steps());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| match x {
            x if x > R::zero() => R::one(),
            x if x < R::zero() => -R::one(),
            x if x.is_nan() => x,
            _ => R::zero(),
        })
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // Constant on either side of 0.
        vec![None]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| {
            let (x, zero) = (loads.remove(0), ScalarExpr::Const(0.0));
            let zero_or_nan = build::select(CmpOp::Eq, x.clone(), zero.clone(), zero.clone(), x.clone());
            let at_most_zero = build::select(CmpOp::Lt, x.clone(), zero.clone(), ScalarExpr::Const(-1.0), zero_or_nan);
            build::select(CmpOp::Gt, x, zero, ScalarExpr::Const(1.0), at_most_zero)
        })
    }
}
