//! `argmin`: where the least element stands.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Argmax, Expand, OpRules};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// Position along `axis` of the least element, the first one of equals, the first NaN if there is one; `i32`, that
    /// dimension removed. It is `argmax(-x)`.
    pub struct Argmin {
        /// The dimension; not the batch.
        pub axis: usize,
    }
}

impl Argmin {
    fn argmax(&self) -> Argmax {
        Argmax { axis: self.axis }
    }
}

impl OpRules for Argmin {
    const NAME: &'static str = "argmin";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "position of the first minimum along a dimension (`i32`)";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "What is nearest, of distances. It has no gradient.",
        node: "nearest",
        reads: &[FEATURES],
        attributes: || Argmin { axis: 1 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        self.argmax().infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let x = operands[0];
        let minus_x = Tensor::new(x.shape.clone(), x.data.iter().map(|&x| -x).collect());
        self.argmax().eval(&[&minus_x], out)
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let minus_x = cx.negative(cx.operands[0]);
        cx.add(self.argmax(), &[minus_x])
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        Some(Argmax::draw(draw)?.map(|Argmax { axis }| Argmin { axis }))
    }
}
