//! `elu`: the exponential linear unit (Clevert et al. 2015).

use super::facts::{Elementwise, MAPS, Usage};
use super::{IfPositive, Lowering, OpRules, elementwise};
use crate::compute::{ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::{BinaryOp, CmpOp, UnaryOp};
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x > 0 ? x : alpha * (e^x - 1)`, as in Keras 3.
    pub struct Elu {
        /// The results lie above `-alpha`.
        pub alpha: f64 where NotNegative = 1.0,
    }
}

impl OpRules for Elu {
    const NAME: &'static str = "elu";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "exponential linear unit: `x` above 0, `alpha * (exp(x) - 1)` below it";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "In place of `relu`: smooth, with results below 0, so that means stay near 0.",
        node: "elu1",
        reads: &[MAPS],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY.with_kinks());

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let alpha = R::from_f64(self.alpha);
        elementwise::eval(operands, out, |[x]| if x > R::zero() { x } else { alpha * (x.exp() - R::one()) })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = x > 0 ? dy : dy * (y + alpha)
        let alpha = cx.constant(self.alpha);
        let slope = cx.plus(cx.node, alpha);
        let below = cx.times(dy, slope);
        vec![Some(cx.add(IfPositive {}, &[cx.operands[0], dy, below]))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| {
            let (x, one) = (loads.remove(0), ScalarExpr::Const(1.0));
            // e^x - 1 = tanh(x / 2) * (e^x + 1), which loses no digits near 0
            let half = build::binary(BinaryOp::Mul, ScalarExpr::Const(0.5), x.clone());
            let sum = build::binary(BinaryOp::Add, build::unary(UnaryOp::Exp, x.clone()), one);
            let less_one = build::binary(BinaryOp::Mul, build::unary(UnaryOp::Tanh, half), sum);
            let below = build::binary(BinaryOp::Mul, ScalarExpr::Const(self.alpha), less_one);
            build::select(CmpOp::Gt, x.clone(), ScalarExpr::Const(0.0), x, below)
        })
    }
}
