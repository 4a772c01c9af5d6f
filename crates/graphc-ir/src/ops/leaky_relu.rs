//! `leaky_relu`: the rectified linear unit with a slope below 0, too (Maas et al. 2013).

use super::facts::{Elementwise, MAPS, Usage};
use super::{IfPositive, Lowering, OpRules, elementwise};
use crate::attrs::OpAttrs;
use crate::compute::{ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::{BinaryOp, CmpOp};
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x > 0 ? x : negative_slope * x`, with the default of Keras 3's layer `LeakyReLU` (that of its function
    /// `leaky_relu` is 0.2); the gradient at 0 is the slope below it.
    pub struct LeakyRelu {
        /// What numbers below 0 are multiplied by.
        pub negative_slope: f64 where NotNegative = 0.3,
    }
}

impl OpRules for LeakyRelu {
    const NAME: &'static str = "leaky_relu";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "`x` above 0, `negative_slope * x` below it";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "In place of `relu` where units fall silent: below 0 it has a gradient, too.",
        node: "leaky1",
        reads: &[MAPS],
        attributes: || LeakyRelu { negative_slope: 0.1 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY.with_kinks());

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let slope = R::from_f64(self.negative_slope);
        elementwise::eval(operands, out, |[x]| if x > R::zero() { x } else { slope * x })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = x > 0 ? dy : slope * dy
        let below = cx.scaled(dy, self.negative_slope);
        vec![Some(cx.add(IfPositive {}, &[cx.operands[0], dy, below]))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| {
            let (x, zero) = (loads.remove(0), ScalarExpr::Const(0.0));
            let below = build::binary(BinaryOp::Mul, ScalarExpr::Const(self.negative_slope), x.clone());
            build::select(CmpOp::Gt, x.clone(), zero, x, below)
        })
    }
}
