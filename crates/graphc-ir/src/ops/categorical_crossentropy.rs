//! `categorical_crossentropy`: the loss of predicted probabilities against labels.

use super::{Expand, Log, Lowering, OpRules, classification};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `-mean over n of log(p[n, label[n]])`: the other probabilities may be 0. After a `softmax` or a `sigmoid` the
    /// algebraic rules make it stable, so that `p[n, label[n]]` may underflow.
    pub struct CategoricalCrossentropy {}
}

impl OpRules for CategoricalCrossentropy {
    const NAME: &'static str = "categorical_crossentropy";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "mean cross-entropy, from (probabilities, i32 labels)";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        classification::infer(Self::NAME, "probabilities", operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        classification::eval_mean(operands, |p, label| -p[label].ln())
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        panic!("categorical_crossentropy is expanded before autodiff")
    }

    fn lower(&self, _: &[&TensorType], _: &TensorType) -> Lowering {
        Lowering::Composite(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let probability = classification::picked(cx, cx.operands[0]);
        let log = cx.add(Log {}, &[probability]);
        classification::negative_mean(cx, log)
    }
}
