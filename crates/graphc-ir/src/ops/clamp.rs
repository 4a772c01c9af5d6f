//! `clamp`: the nearest number between two that differ in their sign only.

use super::facts::Elementwise;
use super::{Abs, Lowering, OpRules, ReluGrad, elementwise};
use crate::compute::{ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x` between `-limit` and `limit`, outside them the nearer of both; NaN at NaN.
    pub struct Clamp {
        /// The greatest result, greater than 0.
        pub limit: f64 where Positive,
    }
}

impl OpRules for Clamp {
    const NAME: &'static str = "clamp";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "x, but at most limit and at least -limit";
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY.with_kinks());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let limit = R::from_f64(self.limit);
        elementwise::eval(operands, out, |[x]| match x {
            x if x > limit => limit,
            x if x < -limit => -limit,
            x => x,
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = limit - |x| <= 0 ? 0 : dy
        let size = cx.add(Abs {}, &[cx.operands[0]]);
        let limit = cx.constant(self.limit);
        let room = cx.minus(limit, size);
        vec![Some(cx.add(ReluGrad {}, &[room, dy]))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| {
            let x = loads.remove(0);
            let [least, most] = [-self.limit, self.limit].map(ScalarExpr::Const);
            let below = build::select(CmpOp::Lt, x.clone(), least.clone(), least, x.clone());
            build::select(CmpOp::Gt, x, most.clone(), most, below)
        })
    }
}
