//! `tan`: the tangent.

use super::facts::{Domain, Elementwise, FEATURES, Usage};
use super::{Cos, Expand, OpRules, Sin, elementwise};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `sin(x) / cos(x)`, tangent of radians, as exact as these are.
    pub struct Tan {}
}

impl OpRules for Tan {
    const NAME: &'static str = "tan";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "tangent of radians";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "The slope of an angle.",
        node: "slope",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::of(&[Domain::Within(1.25)]));

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x.sin() / x.cos())
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy * (1 + y^2)
        let square = cx.times(cx.node, cx.node);
        let one = cx.constant(1.0);
        let slope = cx.plus(square, one);
        vec![Some(cx.times(dy, slope))]
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::AfterAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let x = cx.operands[0];
        let (sine, cosine) = (cx.add(Sin {}, &[x]), cx.add(Cos {}, &[x]));
        cx.over(sine, cosine)
    }
}
