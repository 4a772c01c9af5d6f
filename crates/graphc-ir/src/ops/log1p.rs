//! `log1p`: `log(1 + x)`.

use super::facts::{Domain, Elementwise, FEATURES, Usage};
use super::{Lowering, OpRules, elementwise};
use crate::compute::build;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::UnaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `log(1 + x)`, which keeps the digits of small results, as Keras 3's and NumPy's `log1p`: minus infinity at -1,
    /// NaN below.
    pub struct Log1p {}
}

impl OpRules for Log1p {
    const NAME: &'static str = "log1p";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "`log(1 + x)` without loss of digits near 0";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Brings counts and sums of money to one scale; 0 stays 0.",
        node: "scaled",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const ELEMENTWISE: Option<Elementwise> = Some(Elementwise::of(&[Domain::AtLeast(0.25)]));

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        elementwise::infer(operands)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        elementwise::eval(operands, out, |[x]| x.ln_1p())
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy / (x + 1)
        let one = cx.constant(1.0);
        let slope = cx.plus(cx.operands[0], one);
        vec![Some(cx.over(dy, slope))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        elementwise::lower(operands, out, |mut loads| build::unary(UnaryOp::Log1p, loads.remove(0)))
    }
}
