//! `reduce_sum`: sum over axes.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Lowering, OpRules, reduction};
use crate::attrs::{AttrValue, OpAttrs};
use crate::compute::Combine;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// Sum over `axes`.
    pub struct ReduceSum {
        /// Reduced dimensions, ascending, at least one.
        pub axes: Vec<usize>,
        /// Whether they stay, with size 1.
        pub keep_dims: bool,
    }
}

impl OpRules for ReduceSum {
    const NAME: &'static str = "reduce_sum";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "sum over dimensions";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Sums, such as of squares.",
        node: "total",
        reads: &[FEATURES],
        attributes: || ReduceSum { axes: vec![1], keep_dims: false }.attrs(),
        optional: &[("keep_dims", AttrValue::Bool(false))],
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        Ok(TensorType::f32(reduction::infer(operands[0], &self.axes, self.keep_dims)?))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        reduction::eval(operands[0], &self.axes, out, R::zero(), |sum, x| sum + x)
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy, broadcast along the reduced axes
        let shape = cx.ty(cx.operands[0]).shape;
        let kept = cx.reshaped(dy, &reduction::kept_shape(&shape, &self.axes));
        vec![Some(cx.broadcast_to(kept, &shape))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        Lowering::Compute(reduction::lower(operands[0], &self.axes, self.keep_dims, out, Combine::Sum))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (x, axes, keep_dims) = reduction::draw(draw)?;
        Some(Drawn::of(ReduceSum { axes, keep_dims }, [x]))
    }
}
