//! `roll`: an axis as a ring, turned.

use super::axis::axis_size;
use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::{Concat, Expand, OpRules, Slice};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `y[.., (i + shift) mod size, ..] = x[.., i, ..]` along `axis`: what leaves at one end comes in at the other.
    pub struct Roll {
        /// The dimension, counted from 0; not the batch.
        pub axis: usize,
        /// By how many coordinates; a negative number moves towards the beginning.
        pub shift: i64,
    }
}

impl Roll {
    /// How many of so many coordinates come in at the beginning.
    fn n_moved(&self, size: usize) -> usize {
        self.shift.rem_euclid(size.max(1) as i64) as usize
    }
}

impl OpRules for Roll {
    const NAME: &'static str = "roll";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "one dimension moved by `shift`; what leaves at one end comes in at the other";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Sets each step of a sequence beside the one before it, or shifts windows of attention.",
        node: "before",
        reads: &[("steps", DType::F32, &[20, 8])],
        attributes: || Roll { axis: 1, shift: 1 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        axis_size(Self::NAME, 0, operands[0], self.axis)?;
        Ok(operands[0].clone())
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let size = out[self.axis];
        Tensor::from_fn(out, |index| {
            let mut from = index.to_vec();
            from[self.axis] = (index[self.axis] + size - self.n_moved(size)) % size;
            operands[0].at(&from)
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let (x, axis) = (cx.operands[0], self.axis);
        let size = cx.ty(x).fixed_dim(axis, "the axis").expect("it is rolled");
        let cut = size - self.n_moved(size);
        if cut == size {
            return x;
        }
        let parts = [(cut, size), (0, cut)].map(|(start, end)| cx.add(Slice::part(axis, start, end), &[x]));
        cx.add(Concat { axis }, &parts)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.any()?;
        let (axis, shift, bound) = (draw.axis(x.shape())?, draw.pick(12) as i64 - 4, x.bound);
        Some(Drawn::of(Roll { axis, shift }, [x]).within(bound))
    }
}
