//! `stack`: tensors one beside another along a new axis.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, OTHER, Usage};
use super::{ANY_NUMBER, Concat, Expand, OpRules};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{Dim, TensorType, TypeError};

op_struct! {
    /// The operands, which are of one type, one beside another along a new dimension `axis`.
    pub struct Stack {
        /// The number of the new dimension, counted from 0.
        pub axis: usize,
    }
}

impl OpRules for Stack {
    const NAME: &'static str = "stack";
    const ARITY: usize = 1;
    const N_OPTIONAL: usize = ANY_NUMBER;
    const SUMMARY: &'static str = "any number of tensors of one shape along a new dimension";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Makes a sequence of what several inputs or branches give.",
        node: "sequence",
        reads: &[FEATURES, OTHER],
        attributes: || Stack { axis: 1 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let first = operands[0];
        if self.axis > first.rank() {
            return Err(TypeError::new(format!("stack expects an axis up to {} of {first}", first.rank())));
        }
        if let Some(i) = operands.iter().position(|x| *x != first) {
            return Err(TypeError::operand(i, format!("stack expects one type, got {first} and {}", operands[i])));
        }
        let mut ty = first.clone();
        ty.shape.0.insert(self.axis, Dim::Fixed(operands.len()));
        Ok(ty)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        Tensor::from_fn(out, |index| {
            let mut from = index.to_vec();
            operands[from.remove(self.axis)].at(&from)
        })
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let mut shape = cx.ty(cx.node).shape;
        shape.0[self.axis] = Dim::Fixed(1);
        let layers: Vec<NodeId> = cx.operands.clone().into_iter().map(|x| cx.reshaped(x, &shape)).collect();
        cx.add(Concat { axis: self.axis }, &layers)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.tensor(&|shape| shape.rank() < 4)?;
        let (axis, n, bound) = (draw.pick(x.ty.rank() + 1), 1 + draw.pick(3), x.bound);
        Some(Drawn::of(Stack { axis }, vec![x; n]).within(bound))
    }
}
