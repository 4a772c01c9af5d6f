//! `one_hot`: labels as rows of zeros with a single one.

use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::{Lowering, OpRules};
use crate::attrs::OpAttrs;
use crate::compute::{Compute, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, TensorType, TypeError};

op_struct! {
    /// `y[.., i] = labels[..] == i ? 1 : 0` for `i < depth`; a label outside gives a row of zeros.
    pub struct OneHot {
        /// Number of classes.
        pub depth: usize where Positive,
    }
}

impl OpRules for OneHot {
    const NAME: &'static str = "one_hot";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "1 at the class number (`i32`), 0 elsewhere, in a new last dimension";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Makes vectors of class numbers that are an input.",
        node: "towns",
        reads: &[("town", DType::I32, &[])],
        attributes: || OneHot { depth: 5 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let labels = operands[0];
        if labels.dtype != DType::I32 {
            return Err(TypeError::operand(0, format!("one_hot expects i32 labels, got {labels}")));
        }
        let mut shape = labels.shape.clone();
        shape.0.push(Dim::Fixed(self.depth));
        Ok(TensorType::f32(shape))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        Tensor::from_fn(out, |index| {
            let (&i, labels) = index.split_last().expect("at least the new dimension");
            if operands[0].at(labels) == R::from_f64(i as f64) { R::one() } else { R::zero() }
        })
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // Labels are integers: no gradient.
        vec![None]
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        let last = out.rank() - 1;
        let label = build::load(0, (0..last).map(Compute::axis).collect());
        let i = ScalarExpr::Index(Compute::axis(last));
        let body = build::select(CmpOp::Eq, i, label, ScalarExpr::Const(1.0), ScalarExpr::Const(0.0));
        Lowering::Compute(Compute::map(&out.shape.0, body))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let shape = draw.tensor(&|shape| shape.rank() < 4)?.ty.shape;
        Some(Drawn::of(OneHot { depth: draw.size() }, [draw.integers(shape)]))
    }
}
