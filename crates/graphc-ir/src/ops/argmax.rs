//! `argmax`: where the greatest element stands.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Lowering, OpRules, reduction};
use crate::attrs::OpAttrs;
use crate::compute::{Combine, Nan};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// Position along `axis` of the greatest element, the first one of equals, the first NaN if there is one; `i32`,
    /// that dimension removed.
    pub struct Argmax {
        /// The dimension; not the batch.
        pub axis: usize,
    }
}

impl OpRules for Argmax {
    const NAME: &'static str = "argmax";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "position of the first maximum along a dimension (`i32`)";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "The class of a prediction as a number. It has no gradient: for what is read out, not for \
                  what is trained.",
        node: "class",
        reads: &[FEATURES],
        attributes: || Argmax { axis: 1 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let shape = reduction::infer(operands[0], &[self.axis], false)?;
        operands[0].fixed_dim(self.axis, "the axis of argmax")?;
        reduction::refuse_empty(operands[0], &[self.axis])?;
        Ok(TensorType::i32(shape))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let x = operands[0];
        Tensor::from_fn(out, |index| {
            let mut index = index.to_vec();
            index.insert(self.axis, 0);
            let row = (0..x.shape[self.axis]).map(|i| {
                index[self.axis] = i;
                (i, x.at(&index))
            });
            R::from_f64(reduction::arg_max(row, Nan::First) as f64)
        })
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // An integer: no gradient.
        vec![None]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        Lowering::Compute(reduction::lower(operands[0], &[self.axis], false, out, Combine::ArgMax(Nan::First)))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.tensor(&|shape| shape.rank() > 0)?;
        let axis = draw.axis(x.shape())?;
        let depth = x.ty.fixed_dim(axis, "the axis").ok()?;
        Some(Drawn::of(Argmax { axis }, [x]).within(depth as f64 - 1.0))
    }
}
