//! `pick_grad`: the gradient of `pick`.

use super::draw::{Draw, Drawn};
use super::facts::Domain;
use super::{Lowering, OneHot, OpRules, Pick};
use crate::compute::{Compute, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `dx[.., i] = labels[..] == i ? dy[..] : 0` for `i < depth`.
    pub struct PickGrad {
        /// Size of the new last dimension.
        pub depth: usize,
    }
}

impl OpRules for PickGrad {
    const NAME: &'static str = "pick_grad";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "gradient of pick from (i32 labels, dy): dy at each row's label, else 0";
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let [labels, dy] = [operands[0], operands[1]];
        let rows = OneHot { depth: self.depth }.infer(&[labels])?;
        let expected = TensorType::f32(labels.shape.clone());
        match *dy == expected {
            true => Ok(rows),
            false => Err(TypeError::operand(1, format!("pick_grad expects a gradient of type {expected}, got {dy}"))),
        }
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let [labels, dy] = [operands[0], operands[1]];
        Tensor::from_fn(out, |index| {
            let (&i, row) = index.split_last().expect("at least the new dimension");
            if labels.at(row) == R::from_f64(i as f64) { dy.at(row) } else { R::zero() }
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // Linear in its second operand: the transpose of putting there is taking from there.
        let labels = cx.operands[0];
        vec![None, Some(cx.add(Pick {}, &[dy, labels]))]
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        let last = out.rank() - 1;
        let [label, dy] = [0, 1].map(|operand| build::load(operand, (0..last).map(Compute::axis).collect()));
        let i = ScalarExpr::Index(Compute::axis(last));
        Lowering::Compute(Compute::map(&out.shape.0, build::select(CmpOp::Eq, i, label, dy, ScalarExpr::Const(0.0))))
    }

    fn domain(&self, operand: usize, _: &[&TensorType]) -> Domain {
        if operand == 0 { Domain::Below(self.depth) } else { Domain::Any }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let dy = draw.tensor(&|shape| shape.rank() < 4)?;
        let labels = draw.integers(dy.shape().clone());
        Some(Drawn::of(PickGrad { depth: draw.size() }, [labels, dy]))
    }
}
