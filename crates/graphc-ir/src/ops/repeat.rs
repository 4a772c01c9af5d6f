//! `repeat`: every coordinate of an axis several times.

use super::axis::{axis_size, with_size};
use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::repetition::{Copies, repeated};
use super::{Expand, OpRules};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `y[.., i, ..] = x[.., i / repeats, ..]` along `axis`: NumPy's `repeat`, PyTorch's `repeat_interleave`. Gradients
    /// of copies add up.
    pub struct Repeat {
        /// The dimension, counted from 0; not the batch.
        pub axis: usize,
        /// How often each coordinate is there.
        pub repeats: usize where Positive,
    }
}

impl OpRules for Repeat {
    const NAME: &'static str = "repeat";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "every coordinate of one dimension several times, copies beside each other";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Makes a sequence longer, each step several times.",
        node: "slower",
        reads: &[("steps", DType::F32, &[20, 8])],
        attributes: || Repeat { axis: 1, repeats: 2 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let size = axis_size(Self::NAME, 0, operands[0], self.axis)?;
        Ok(with_size(operands[0], self.axis, size.saturating_mul(self.repeats)))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        Tensor::from_fn(out, |index| {
            let mut from = index.to_vec();
            from[self.axis] /= self.repeats;
            operands[0].at(&from)
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        repeated(cx, cx.operands[0], self.axis, self.repeats, Copies::Beside)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.any()?;
        let (axis, repeats, bound) = (draw.axis(x.shape())?, 1 + draw.pick(3), x.bound);
        Some(Drawn::of(Repeat { axis, repeats }, [x]).within(bound))
    }
}
