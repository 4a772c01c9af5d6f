//! `hard_tanh`: a cheap `tanh`.

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Clip, Expand, OpRules, elementwise};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x`, but at least -1 and at most 1, as in Keras 3: NaN at NaN.
    pub struct HardTanh {}
}

impl OpRules for HardTanh {
    const NAME: &'static str = "hard_tanh";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "`x` between -1 and 1";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "A cheap `tanh`: exactly -1 up to -1 and 1 from 1 on.",
        node: "bounded",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY.with_kinks());

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| match x {
            x if x > R::one() => R::one(),
            x if x < -R::one() => -R::one(),
            x => x,
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        cx.add(Clip { x_min: -1.0, x_max: 1.0 }, &[cx.operands[0]])
    }
}
