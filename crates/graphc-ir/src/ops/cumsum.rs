//! `cumsum`: running sums along one axis.

use super::draw::{Draw, Drawn};
use super::axis::axis_size;
use super::facts::Usage;
use super::{Lowering, OpRules};
use crate::attrs::OpAttrs;
use crate::compute::{Compute, Scan, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `y[.., i, ..] = x[.., 0, ..] + ... + x[.., i, ..]` along `axis`.
    pub struct CumSum {
        /// The dimension along which it is summed, counted from 0; not the batch.
        pub axis: usize,
        /// Whether it begins at the end: `x[i] + ... + x[last]`.
        pub reversed: bool = false,
        /// Whether an element is left out of its own sum, which then begins at 0.
        pub exclusive: bool = false,
    }
}

impl OpRules for CumSum {
    const NAME: &'static str = "cumsum";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "sums of the elements so far along one dimension";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Running totals of a sequence.",
        node: "totals",
        reads: &[("steps", DType::F32, &[20, 8])],
        attributes: || CumSum { axis: 1, reversed: false, exclusive: false }.attrs(),
        ..Usage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        axis_size(Self::NAME, 0, operands[0], self.axis)?;
        match operands[0].dtype {
            DType::F32 => Ok(operands[0].clone()),
            DType::I32 => Err(TypeError::operand(0, format!("cumsum expects an f32 tensor, got {}", operands[0]))),
        }
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        Tensor::from_fn(out, |index| {
            let (i, mut from) = (index[self.axis], index.to_vec());
            let own = usize::from(!self.exclusive);
            let terms: Vec<usize> = match self.reversed {
                true => (i + 1 - own..out[self.axis]).rev().collect(),
                false => (0..i + own).collect(),
            };
            terms.into_iter().fold(R::zero(), |sum, term| {
                from[self.axis] = term;
                sum + operands[0].at(&from)
            })
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx[i] = sum of dy[j] for all j whose sum has x[i]
        vec![Some(cx.add(CumSum { reversed: !self.reversed, ..self.clone() }, &[dy]))]
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        let x = build::load(0, (0..out.rank()).map(Compute::axis).collect());
        let scan = Scan { axis: self.axis, reversed: self.reversed, exclusive: self.exclusive, start: 0.0 };
        Lowering::Compute(Compute::scan(&out.shape.0, scan, build::binary(BinaryOp::Add, ScalarExpr::Acc, x)))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.any()?;
        let axis = draw.axis(x.shape())?;
        let bound = x.bound * x.ty.fixed_dim(axis, "the axis").ok()? as f64;
        Some(Drawn::of(CumSum { axis, reversed: draw.flag(), exclusive: draw.flag() }, [x]).within(bound))
    }
}
