//! `split`: the parts of a tensor along one axis, each a result.

use super::draw::{Draw, Drawn};
use super::axis::{axis_size, with_size};
use super::facts::Usage;
use super::{Lowering, OpRules, Pad, Slice};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// Result `k` is the part of `sizes[k]` coordinates along `axis` behind those of the results before it.
    pub struct Split {
        /// The dimension that is cut, counted from 0; not the batch.
        pub axis: usize,
        /// Size of each part; they add up to that of the dimension.
        pub sizes: Vec<usize> where Positive,
        /// Which of the parts, counted from 0.
        pub result: usize = 0,
    }
}

impl Split {
    /// The slice that this part is.
    ///
    /// # Panics
    /// If there is no such part; `infer` refuses that.
    pub fn part(&self) -> Slice {
        let (start, end) = self.ends();
        Slice::part(self.axis, start, end)
    }

    /// Where the part begins, and what is behind it.
    fn ends(&self) -> (usize, usize) {
        let start: usize = self.sizes[..self.result].iter().sum();
        (start, start + self.sizes[self.result])
    }
}

impl OpRules for Split {
    const NAME: &'static str = "split";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "parts of the given sizes along one dimension, each a result";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Gives parts of a tensor to different branches.",
        node: "halves",
        reads: &[("x", DType::F32, &[8])],
        attributes: || Split { axis: 1, sizes: vec![4, 4], result: 0 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn n_results(&self) -> usize {
        self.sizes.len()
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let size = axis_size(Self::NAME, 0, operands[0], self.axis)?;
        let sum = self.sizes.iter().try_fold(0_usize, |sum, &size| sum.checked_add(size));
        if sum != Some(size) {
            let expected = format!("sizes that add up to {size}, that of axis {} of {}", self.axis, operands[0]);
            return Err(TypeError::new(format!("split expects {expected}, got {:?}", self.sizes)));
        }
        match self.sizes.get(self.result) {
            Some(&size) => Ok(with_size(operands[0], self.axis, size)),
            None => {
                let (n, result) = (self.sizes.len(), self.result);
                Err(TypeError::new(format!("split into {n} parts expects a result below {n}, got {result}")))
            }
        }
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        self.part().eval(operands, out)
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy where this part was, 0 elsewhere
        let (axis, (start, end)) = (self.axis, self.ends());
        let size = cx.ty(cx.operands[0]).fixed_dim(axis, "the axis").expect("it is split");
        let pad = Pad::zeros(axis, start, size - end);
        vec![Some(if pad.is_nothing() { dy } else { cx.add(pad, &[dy]) })]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        self.part().lower(operands, out)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.any()?;
        let axis = draw.axis(x.shape())?;
        let size = x.ty.fixed_dim(axis, "the axis").ok()?;
        let first = 1 + draw.pick(size);
        let sizes = if first == size { vec![size] } else { vec![first, size - first] };
        let (result, bound) = (draw.pick(sizes.len()), x.bound);
        Some(Drawn::of(Split { axis, sizes, result }, [x]).within(bound))
    }
}
