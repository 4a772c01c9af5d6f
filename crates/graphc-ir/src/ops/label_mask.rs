//! `label_mask`: which labels count.

use super::draw::{Draw, Drawn};
use super::{Lowering, OpRules};
use crate::compute::{Compute, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `y = label == ignored ? 0 : 1`, as `f32`.
    pub struct LabelMask {
        /// The label that does not count.
        pub ignored: i32,
    }
}

impl OpRules for LabelMask {
    const NAME: &'static str = "label_mask";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "0 where an i32 label is the one that does not count, otherwise 1";
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let labels = operands[0];
        if labels.dtype != DType::I32 {
            return Err(TypeError::operand(0, format!("label_mask expects i32 labels, got {labels}")));
        }
        Ok(TensorType::f32(labels.shape.clone()))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let counts = |&label: &R| if label.widen() == f64::from(self.ignored) { R::zero() } else { R::one() };
        Tensor::new(out.to_vec(), operands[0].data.iter().map(counts).collect())
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // Labels have no gradient.
        vec![None]
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        let label = build::load(0, (0..out.rank()).map(Compute::axis).collect());
        let ignored = ScalarExpr::Int(self.ignored);
        let [zero, one] = [0.0, 1.0].map(ScalarExpr::Const);
        Lowering::Compute(Compute::map(&out.shape.0, build::select(CmpOp::Eq, label, ignored, zero, one)))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let like = draw.any()?;
        let labels = draw.integers(like.ty.shape);
        let ignored = draw.pick(3) as i32 - 1;
        Some(Drawn::of(LabelMask { ignored }, [labels]))
    }
}
