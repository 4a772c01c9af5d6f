//! `reduce_mean`: mean over axes.

use super::draw::{Draw, Drawn};
use super::facts::{MAPS, Usage};
use super::{Lowering, OpRules, reduction};
use crate::attrs::{AttrValue, OpAttrs};
use crate::compute::{Combine, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// Mean over `axes`; the batch counts like any other dimension.
    pub struct ReduceMean {
        /// Reduced dimensions, ascending, at least one.
        pub axes: Vec<usize>,
        /// Whether they stay, with size 1.
        pub keep_dims: bool,
    }
}

impl OpRules for ReduceMean {
    const NAME: &'static str = "reduce_mean";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "mean over dimensions";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Means; over height and width it is global average pooling.",
        node: "means",
        reads: &[MAPS],
        attributes: || ReduceMean { axes: vec![1, 2], keep_dims: false }.attrs(),
        optional: &[("keep_dims", AttrValue::Bool(false))],
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        reduction::infer_some(operands[0], &self.axes, self.keep_dims)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let mut mean = reduction::eval(operands[0], &self.axes, out, R::zero(), |sum, x| sum + x);
        let count = R::from_f64(reduction::count(&operands[0].shape, &self.axes) as f64);
        mean.data.iter_mut().for_each(|x| *x = *x / count);
        mean
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy / count, broadcast along the reduced axes
        let shape = cx.ty(cx.operands[0]).shape;
        let share = reduction::divided_by_count(cx, dy, &shape, &self.axes);
        let kept = cx.reshaped(share, &reduction::kept_shape(&shape, &self.axes));
        vec![Some(cx.broadcast_to(kept, &shape))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        let sum = reduction::lower(operands[0], &self.axes, self.keep_dims, out, Combine::Sum);
        let (fixed, per_batch) = reduction::symbolic_count(&operands[0].shape, &self.axes);
        let finish = if per_batch {
            let count = build::binary(BinaryOp::Mul, ScalarExpr::BatchSize, ScalarExpr::Const(fixed as f64));
            build::binary(BinaryOp::Div, ScalarExpr::Acc, count)
        } else {
            build::binary(BinaryOp::Mul, ScalarExpr::Acc, ScalarExpr::Const(1.0 / fixed as f64))
        };
        Lowering::Compute(sum.finish(finish))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (x, axes, keep_dims) = reduction::draw(draw)?;
        Some(Drawn::of(ReduceMean { axes, keep_dims }, [x]))
    }
}
