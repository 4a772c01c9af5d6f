//! `hard_silu`: a `silu` made of pieces (Howard et al. 2019: hard swish).

use super::facts::{Elementwise, MAPS, Usage};
use super::{Expand, HardSigmoid, OpRules, elementwise};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x * hard_sigmoid(x)`, as in Keras 3; NaN at minus infinity.
    pub struct HardSilu {}
}

impl OpRules for HardSilu {
    const NAME: &'static str = "hard_silu";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "`x * hard_sigmoid(x)`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "A cheap `silu`, as in MobileNetV3; also called hard swish.",
        node: "hard_silu1",
        reads: &[MAPS],
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
            x if x > three => x,
            x if x < -three => x * R::zero(),
            x => x * ((x + three) / six),
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let share = cx.add(HardSigmoid {}, &[cx.operands[0]]);
        cx.times(cx.operands[0], share)
    }
}
