//! `softmax` over the last axis; also what the softmax family shares.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Exp, Expand, Log, OpRules, ReduceMax, ReduceSum, reduction};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, TensorType, TypeError};

op_struct! {
    /// `e^x / sum(e^x)` along the last dimension, shifted by the maximum so that nothing overflows.
    pub struct Softmax {}
}

/// Type of an op along the last dimension, which is not the batch.
pub(super) fn infer(name: &str, x: &TensorType) -> Result<TensorType, TypeError> {
    if x.dtype != DType::F32 || x.rank() == 0 {
        return Err(TypeError::operand(0, format!("{name} expects an f32 tensor of shape [..,c], got {x}")));
    }
    match x.shape.0[x.rank() - 1] {
        Dim::Fixed(1..) => Ok(x.clone()),
        _ => Err(TypeError::operand(
            0,
            format!("{name} needs a last dimension of fixed size, at least 1, got shape {}", x.shape),
        )),
    }
}

/// `x - max(x)` and `log(sum(e^(x - max(x))))` of one row.
pub(super) fn shifted_row<R: Real>(x: &[R]) -> (Vec<R>, R) {
    let max = x.iter().fold(R::neg_infinity(), |max, &x| reduction::maximum(x, max));
    let shifted: Vec<R> = x.iter().map(|&x| x - max).collect();
    let sum = shifted.iter().fold(R::zero(), |sum, z| sum + z.exp());
    (shifted, sum.ln())
}

/// Applies `f` to every row along the last dimension.
pub(super) fn eval_rows<R: Real>(x: &Tensor<R>, f: impl Fn(&[R]) -> Vec<R>) -> Tensor<R> {
    let c = *x.shape.last().expect("at least one dimension");
    Tensor::new(x.shape.clone(), x.data.chunks(c).flat_map(f).collect())
}

/// `x - max(x)` along the last dimension.
pub(super) fn shifted(cx: &mut OpCx<'_>, x: NodeId) -> NodeId {
    let axes = last_axis(cx, x);
    let max = cx.add(ReduceMax { axes, keep_dims: true }, &[x]);
    cx.minus(x, max)
}

/// `sum(x)` along the last dimension, kept as 1.
pub(super) fn sum_last(cx: &mut OpCx<'_>, x: NodeId) -> NodeId {
    let axes = last_axis(cx, x);
    cx.add(ReduceSum { axes, keep_dims: true }, &[x])
}

/// `log(sum(e^x))` along the last dimension, kept as 1; `x` is shifted.
pub(super) fn log_sum_exp(cx: &mut OpCx<'_>, shifted: NodeId) -> NodeId {
    let exp = cx.add(Exp {}, &[shifted]);
    let sum = sum_last(cx, exp);
    cx.add(Log {}, &[sum])
}

fn last_axis(cx: &OpCx<'_>, x: NodeId) -> Vec<usize> {
    vec![cx.ty(x).rank() - 1]
}

impl OpRules for Softmax {
    const NAME: &'static str = "softmax";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "softmax over the last dimension, `exp(x) / sum(exp(x))`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Last activation of a classifier, with `categorical_crossentropy`: numbers from 0 to 1 \
                  whose sum is 1.",
        node: "probabilities",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        infer(Self::NAME, operands[0])
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        eval_rows(operands[0], |x| {
            let exp: Vec<R> = shifted_row(x).0.into_iter().map(R::exp).collect();
            let sum = exp.iter().fold(R::zero(), |sum, &e| sum + e);
            exp.into_iter().map(|e| e / sum).collect()
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = (dy - sum(dy * y)) * y
        let y = cx.node;
        let weighted = cx.times(dy, y);
        let mean = sum_last(cx, weighted);
        let deviation = cx.minus(dy, mean);
        vec![Some(cx.times(deviation, y))]
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::AfterAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let z = shifted(cx, cx.operands[0]);
        let exp = cx.add(Exp {}, &[z]);
        let sum = sum_last(cx, exp);
        cx.over(exp, sum)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.rows(1)?;
        Some(Drawn::of(Softmax {}, [x]).within(1.0))
    }
}
