//! `celu`: the continuously differentiable exponential linear unit (Barron 2017).

use super::facts::{Elementwise, MAPS, Usage};
use super::{Elu, Expand, IfPositive, OpRules, elementwise};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x > 0 ? x : alpha * (e^(x / alpha) - 1)`, as in Keras 3 and PyTorch; NaN at NaN.
    pub struct Celu {
        /// The results lie above `-alpha`.
        pub alpha: f64 where Positive = 1.0,
    }
}

impl OpRules for Celu {
    const NAME: &'static str = "celu";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "`x` above 0, `alpha * (exp(x / alpha) - 1)` below it";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "As `elu`, but without a kink at 0 for any `alpha`.",
        node: "celu1",
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
        elementwise::eval(operands, out, |[x]| match x {
            x if x > R::zero() => x,
            x => alpha * ((x / alpha).exp() - R::one()),
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        // x > 0 ? x : alpha * elu(x / alpha)
        let x = cx.operands[0];
        let alpha = cx.constant(self.alpha);
        let ratio = cx.over(x, alpha);
        let elu = cx.add(Elu { alpha: 1.0 }, &[ratio]);
        let below = cx.times(alpha, elu);
        cx.add(IfPositive {}, &[x, x, below])
    }
}
