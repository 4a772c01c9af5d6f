//! `pick`: from every row the element that its label names.

use super::draw::{Draw, Drawn, labels_of};
use super::facts::Domain;
use super::{Lowering, OpRules, PickGrad};
use crate::compute::{Combine, Compute, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::scalar::CmpOp;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

op_struct! {
    /// `y[..] = x[.., labels[..]]`, NaN where the label is no position of the last dimension. Nothing of the other
    /// elements reaches the result, be they infinite or NaN.
    pub struct Pick {}
}

/// Number of elements in a row of `x`, of type f32\[..,c\], whose labels have the type of the rest.
fn row_len(x: &TensorType, labels: &TensorType) -> Result<usize, TypeError> {
    let (depth, rest) = match x.shape.0.split_last() {
        Some((&Dim::Fixed(depth @ 1..), rest)) if x.dtype == DType::F32 => (depth, rest),
        _ => return Err(TypeError::operand(0, format!("pick expects an f32 tensor of shape [..,c], got {x}"))),
    };
    let expected = TensorType::i32(Shape(rest.to_vec()));
    match *labels == expected {
        true => Ok(depth),
        false => Err(TypeError::operand(1, format!("pick expects labels of type {expected} for {x}, got {labels}"))),
    }
}

impl OpRules for Pick {
    const NAME: &'static str = "pick";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "the element of each row that its label names, from (x, i32 labels)";
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        row_len(operands[0], operands[1])?;
        Ok(TensorType::f32(operands[1].shape.clone()))
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let [x, labels] = [operands[0], operands[1]];
        let depth = *x.shape.last().expect("rows");
        let element = |(row, label): (&[R], &R)| {
            let label = label.widen();
            if (0.0..depth as f64).contains(&label) { row[label as usize] } else { R::nan() }
        };
        Tensor::new(out.to_vec(), x.data.chunks(depth).zip(&labels.data).map(element).collect())
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx[.., i] = i == label ? dy : 0
        let [x, labels] = [cx.operands[0], cx.operands[1]];
        let depth = row_len(&cx.ty(x), &cx.ty(labels)).expect("the node has a type");
        vec![Some(cx.add(PickGrad { depth }, &[labels, dy])), None]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        let rank = out.rank();
        let depth = row_len(operands[0], operands[1]).expect("the node has a type");
        let axes: Vec<_> = (0..=rank).map(Compute::axis).collect();
        let label = build::load(1, axes[..rank].to_vec());
        let position = ScalarExpr::Index(axes[rank].clone());
        let (zero, nan) = (ScalarExpr::Const(0.0), ScalarExpr::Const(f64::NAN));
        let body = build::select(CmpOp::Eq, label.clone(), position, build::load(0, axes), zero);
        // The sum has one term that is not 0 by the label.
        let sum = Compute::reduce(&out.shape.0, &[Dim::Fixed(depth)], Combine::Sum, body);
        let end = ScalarExpr::Int(depth as i32);
        let above = build::select(CmpOp::Lt, label.clone(), end, ScalarExpr::Acc, nan.clone());
        Lowering::Compute(sum.finish(build::select(CmpOp::Ge, label, ScalarExpr::Int(0), above, nan)))
    }

    fn domain(&self, operand: usize, operands: &[&TensorType]) -> Domain {
        match row_len(operands[0], operands[1]) {
            Ok(depth) if operand == 1 => Domain::Below(depth),
            _ => Domain::Any,
        }
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.rows(1)?;
        let labels = draw.integers(labels_of(&x));
        Some(Drawn::of(Pick {}, [x, labels]))
    }
}
