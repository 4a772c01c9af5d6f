//! `softsign`: a sigmoid that is a quotient.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Abs, Expand, OpRules, elementwise};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x / (1 + |x|)`, as in Keras 3; NaN at infinities.
    pub struct Softsign {}
}

impl OpRules for Softsign {
    const NAME: &'static str = "softsign";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "`x / (1 + |x|)`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "As `tanh`, but it comes closer to -1 and 1 more slowly.",
        node: "softsign1",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY);

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x / (R::one() + x.abs()))
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let (size, one) = (cx.add(Abs {}, &[cx.operands[0]]), cx.constant(1.0));
        let divisor = cx.plus(one, size);
        cx.over(cx.operands[0], divisor)
    }
}
