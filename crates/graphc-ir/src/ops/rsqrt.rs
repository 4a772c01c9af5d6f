//! `rsqrt`: one over the square root.

use super::facts::{Domain, Elementwise, FEATURES, Usage};
use super::{Expand, OpRules, Sqrt, elementwise};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `1 / sqrt(x)`: infinite at 0, NaN below.
    pub struct Rsqrt {}
}

impl OpRules for Rsqrt {
    const NAME: &'static str = "rsqrt";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "one over the square root, `1 / sqrt(x)`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "What a normalisation multiplies with; 0 gives infinity, less gives NaN.",
        node: "factor",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::of(&[Domain::AtLeast(0.25)]));

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| R::one() / x.sqrt())
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let root = cx.add(Sqrt {}, &[cx.operands[0]]);
        let one = cx.constant(1.0);
        cx.over(one, root)
    }
}
