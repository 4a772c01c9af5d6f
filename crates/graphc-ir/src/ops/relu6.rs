//! `relu6`: `relu` with a greatest result of 6 (Krizhevsky 2010).

use super::facts::{Elementwise, MAPS, Usage};
use super::{Lowering, OpRules, ReluGrad, elementwise};
use crate::compute::{ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

/// The greatest result.
const MOST: f64 = 6.0;

op_struct! {
    /// `x <= 0 ? 0 : x >= 6 ? 6 : x`, as in Keras 3: NaN for NaN, `+0` for `-0`. The gradient is 0 at 0 and at 6.
    pub struct Relu6 {}
}

impl OpRules for Relu6 {
    const NAME: &'static str = "relu6";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "rectified linear unit of at most 6, `min(max(x, 0), 6)`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "In place of `relu` where results should stay small, as in MobileNetV2.",
        node: "relu1",
        reads: &[MAPS],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY.with_kinks());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let most = R::from_f64(MOST);
        elementwise::eval(operands, out, |[x]| match x {
            x if x <= R::zero() => R::zero(),
            x if x >= most => most,
            x => x,
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = y <= 0 || 6 - y <= 0 ? 0 : dy; dy at NaN
        let most = cx.constant(MOST);
        let room = cx.minus(most, cx.node);
        let below = cx.add(ReluGrad {}, &[room, dy]);
        vec![Some(cx.add(ReluGrad {}, &[cx.node, below]))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| {
            let x = loads.remove(0);
            let [zero, most] = [0.0, MOST].map(ScalarExpr::Const);
            let above = build::select(CmpOp::Ge, x.clone(), most.clone(), most, x.clone());
            build::select(CmpOp::Le, x, zero.clone(), zero, above)
        })
    }
}
