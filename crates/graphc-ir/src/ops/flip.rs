//! `flip`: one axis in the other direction.

use super::axis::axis_size;
use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::{Lowering, OpRules};
use crate::attrs::OpAttrs;
use crate::compute::{Compute, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, TensorType, TypeError};

op_struct! {
    /// `y[.., i, ..] = x[.., size - 1 - i, ..]` along `axis`.
    pub struct Flip {
        /// The dimension that is turned round, counted from 0; not the batch.
        pub axis: usize,
    }
}

impl OpRules for Flip {
    const NAME: &'static str = "flip";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "one dimension in the other direction";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Lets a sequence be read from its end.",
        node: "backwards",
        reads: &[("steps", DType::F32, &[20, 8])],
        attributes: || Flip { axis: 1 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        axis_size(Self::NAME, 0, operands[0], self.axis)?;
        Ok(operands[0].clone())
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        Tensor::from_fn(out, |index| {
            let mut from = index.to_vec();
            from[self.axis] = out[self.axis] - 1 - index[self.axis];
            operands[0].at(&from)
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy, turned back
        vec![Some(cx.add(self.clone(), &[dy]))]
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        let Dim::Fixed(size) = out.shape.0[self.axis] else { unreachable!("the batch is not turned round") };
        let mut index: Vec<_> = (0..out.rank()).map(Compute::axis).collect();
        index[self.axis] = index[self.axis].times(-1).plus_constant(size as i64 - 1);
        Lowering::Compute(Compute::map(&out.shape.0, build::load(0, index)))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.any()?;
        let (axis, bound) = (draw.axis(x.shape())?, x.bound);
        Some(Drawn::of(Flip { axis }, [x]).within(bound))
    }
}
