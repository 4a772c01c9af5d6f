//! `xdivy`: a quotient that is 0 where the dividend is 0.

use super::facts::{Domain, Elementwise};
use super::{Lowering, OpRules, elementwise, zero_wins};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `x / y`, 0 where `x` is 0, even if `y` is 0, too.
    pub struct Xdivy {}
}

impl OpRules for Xdivy {
    const NAME: &'static str = "xdivy";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "x / y, 0 where x is 0";
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::of(&[Domain::Any, Domain::AtLeast(0.5)]));

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        zero_wins::eval(operands, out, |x, y| x / y)
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy / y, d_y = -dy * x / y / y, which is 0 where x is 0
        let [x, y] = [cx.operands[0], cx.operands[1]];
        let d_x = cx.over(dy, y);
        let share = cx.times(dy, x);
        let once = cx.add(Xdivy {}, &[share, y]);
        let twice = cx.add(Xdivy {}, &[once, y]);
        let d_y = cx.negative(twice);
        let [x, y] = [x, y].map(|operand| cx.ty(operand).shape);
        vec![Some(cx.unbroadcast(d_x, &x)), Some(cx.unbroadcast(d_y, &y))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        zero_wins::lower(operands, out, |x, y| build::binary(BinaryOp::Div, x, y))
    }
}
