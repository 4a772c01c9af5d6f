//! `constant`: every element the same value.

use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::{Lowering, OpRules};
use crate::attrs::{AttrValue, OpAttrs};
use crate::compute::{Compute, ScalarExpr};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{Shape, TensorType, TypeError};

op_struct! {
    /// An `f32` tensor whose elements are all `value`.
    pub struct Constant {
        /// The value.
        pub value: f64,
        /// The shape; `[]` is a scalar.
        pub shape: Shape,
    }
}

impl OpRules for Constant {
    const NAME: &'static str = "constant";
    const ARITY: usize = 0;
    const SUMMARY: &'static str = "every element the same value";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "A fixed number for arithmetic.",
        node: "half",
        reads: &[],
        attributes: || Constant { value: 0.5, shape: Shape::scalar() }.attrs(),
        optional: const { &[("shape", AttrValue::Shape(Shape(Vec::new())))] },
    });
    const IS_EXACT: bool = true;

    fn infer(&self, _: &[&TensorType]) -> Result<TensorType, TypeError> {
        Ok(TensorType::f32(self.shape.clone().check_one_batch()?))
    }

    fn eval<R: Real>(&self, _: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        Tensor::full(out, self.value)
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        Vec::new()
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        Lowering::Compute(Compute::map(&out.shape.0, ScalarExpr::Const(self.value)))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let shape = draw.any()?.ty.shape;
        Some(Drawn::of(Constant { value: [0.3, -2.0][draw.pick(2)], shape }, []))
    }
}
