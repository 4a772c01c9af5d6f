//! `xlogy`: a number times the logarithm of another, 0 where the number is 0.

use super::facts::{Domain, Elementwise};
use super::{Log, Lowering, OpRules, Xdivy, elementwise, zero_wins};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::{BinaryOp, UnaryOp};
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x * log(y)`, 0 where `x` is 0, even if `y` is 0, too.
    pub struct Xlogy {}
}

impl OpRules for Xlogy {
    const NAME: &'static str = "xlogy";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "x * log(y), 0 where x is 0";
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::of(&[Domain::Any, Domain::AtLeast(0.25)]));

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        zero_wins::eval(operands, out, |x, y| x * y.ln())
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy * log(y), d_y = dy * x / y, which is 0 where x is 0
        let [x, y] = [cx.operands[0], cx.operands[1]];
        let log = cx.add(Log {}, &[y]);
        let d_x = cx.times(dy, log);
        let share = cx.times(dy, x);
        let d_y = cx.add(Xdivy {}, &[share, y]);
        let [x, y] = [x, y].map(|operand| cx.ty(operand).shape);
        vec![Some(cx.unbroadcast(d_x, &x)), Some(cx.unbroadcast(d_y, &y))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        zero_wins::lower(operands, out, |x, y| build::binary(BinaryOp::Mul, x, build::unary(UnaryOp::Log, y)))
    }
}
