//! `stop_gradient`: a value that learns nothing.

use super::facts::{FEATURES, Usage};
use super::{Expand, OpRules};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `x`, of which no gradient reaches what `x` is computed from. It costs nothing: after autodiff it is `x` itself.
    pub struct StopGradient {}
}

impl OpRules for StopGradient {
    const NAME: &'static str = "stop_gradient";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "the operand as it is, whose gradient ends here";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "A value that is taken as it is: what it is computed from learns nothing by it, such as a target that the network itself \
                  computes.",
        node: "fixed",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;
    const NOT_DRAWN: Option<&'static str> = Some("its gradient is meant to differ from the value's derivative");

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        match operands[0].dtype {
            DType::F32 => Ok(operands[0].clone()),
            DType::I32 => {
                Err(TypeError::operand(0, format!("{} expects an f32 tensor, got {}", Self::NAME, operands[0])))
            }
        }
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        operands[0].clone()
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // dx = 0, by its meaning
        vec![None]
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::AfterAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        cx.operands[0]
    }
}
