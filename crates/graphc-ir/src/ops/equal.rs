//! `equal`: comparison of two tensors, as numbers.

use super::facts::{Elementwise, FEATURES, OTHER, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::{ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `a == b ? 1 : 0` as `f32`, under NumPy broadcasting; both `f32` or both `i32`.
    pub struct Equal {}
}

impl OpRules for Equal {
    const NAME: &'static str = "equal";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "1 where both are equal, otherwise 0";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Marks where two agree. It has no gradient.",
        node: "same",
        reads: &[FEATURES, OTHER],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::BINARY.with_steps());
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let [a, b] = [operands[0], operands[1]];
        if a.dtype != b.dtype {
            return Err(TypeError::operand(1, format!("equal compares one element type, got {a} and {b}")));
        }
        Ok(TensorType::f32(a.shape.broadcast(&b.shape)?))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[a, b]| if a == b { R::one() } else { R::zero() })
    }

    fn vjp(&self, _: &mut OpCx<'_>, _: NodeId) -> Vec<Option<NodeId>> {
        // Piecewise constant: the derivative is zero almost everywhere.
        vec![None, None]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |loads| {
            let [a, b] = loads.try_into().expect("two operands");
            build::select(CmpOp::Eq, a, b, ScalarExpr::Const(1.0), ScalarExpr::Const(0.0))
        })
    }
}
