//! `hard_sigmoid`: a `sigmoid` made of three lines.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Clamp, Expand, OpRules, elementwise};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `(x + 3) / 6`, but at least 0 and at most 1, as in Keras 3.
    pub struct HardSigmoid {}
}

impl OpRules for HardSigmoid {
    const NAME: &'static str = "hard_sigmoid";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "`(x + 3) / 6` between 0 and 1";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "A cheap `sigmoid` for gates; exactly 0 up to -3 and 1 from 3 on.",
        node: "gate",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY.with_kinks());

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let (three, six) = (R::from_f64(3.0), R::from_f64(6.0));
        elementwise::eval(operands, out, |[x]| match x {
            x if x > three => R::one(),
            x if x < -three => R::zero(),
            x => (x + three) / six,
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        // A quotient, not a product with 1 / 6, so that the ends are exact.
        let clamped = cx.add(Clamp { limit: 3.0 }, &[cx.operands[0]]);
        let (three, six) = (cx.constant(3.0), cx.constant(6.0));
        let raised = cx.plus(clamped, three);
        cx.over(raised, six)
    }
}
