//! `selu`: the scaled exponential linear unit (Klambauer et al. 2017).

use super::facts::{Elementwise, FEATURES, Usage};
use super::{Elu, Expand, OpRules, elementwise};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

/// The fixed point of the paper.
const ALPHA: f64 = 1.673_263_242_354_377_2;
const SCALE: f64 = 1.050_700_987_355_480_5;

op_struct! {
    /// `1.0507 * elu(x)` with `alpha = 1.6733`, as in Keras 3: layers of it keep mean 0 and variance 1.
    pub struct Selu {}
}

impl OpRules for Selu {
    const NAME: &'static str = "selu";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "scaled exponential linear unit, `1.0507 * elu(x)` with an `alpha` of 1.6733";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "In deep nets of `dense` layers without normalisation.",
        node: "selu1",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::UNARY.with_kinks());

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let (alpha, scale) = (R::from_f64(ALPHA), R::from_f64(SCALE));
        elementwise::eval(operands, out, |[x]| scale * if x > R::zero() { x } else { alpha * (x.exp() - R::one()) })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let elu = cx.add(Elu { alpha: ALPHA }, &[cx.operands[0]]);
        cx.scaled(elu, SCALE)
    }
}
