//! `softmax` over one axis; also what the softmax family shares.

use super::axis::counted;
use super::draw::{Draw, Drawn, Operand};
use super::facts::{FEATURES, Usage};
use super::{Exp, Expand, Log, OpRules, ReduceMax, ReduceSum, reduction};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, TensorType, TypeError};

op_struct! {
    /// `e^x / sum(e^x)` along `axis`, shifted by the maximum so that nothing overflows.
    pub struct Softmax {
        /// The dimension along which the results add up to 1, counted from 0, the batch, or from the end: -1 is the
        /// last one. Not the batch.
        pub axis: i64 = -1,
    }
}

impl Softmax {
    /// Whether the results of one with so many dimensions add up to 1 along the last of them.
    pub fn is_of_last(&self, rank: usize) -> bool {
        counted(self.axis, rank) == rank.checked_sub(1)
    }
}

/// Type of an op along a dimension, which is not the batch.
pub(super) fn infer(name: &str, x: &TensorType, axis: i64) -> Result<TensorType, TypeError> {
    if x.dtype != DType::F32 || x.rank() == 0 {
        return Err(TypeError::operand(0, format!("{name} expects an f32 tensor of shape [..,c], got {x}")));
    }
    match counted(axis, x.rank()).map(|axis| x.shape.0[axis]) {
        Some(Dim::Fixed(1..)) => Ok(x.clone()),
        _ => {
            let which = if axis == -1 { "a last dimension".to_string() } else { format!("a dimension {axis}") };
            let message = format!("{name} needs {which} of fixed size, at least 1, got shape {}", x.shape);
            Err(TypeError::operand(0, message))
        }
    }
}

/// The dimension of a tensor whose type [`infer`] has checked.
fn dimension(axis: i64, rank: usize) -> usize {
    counted(axis, rank).expect("the node has a type")
}

/// `x - max(x)` and `log(sum(e^(x - max(x))))` of one row.
pub(super) fn shifted_row<R: Real>(x: &[R]) -> (Vec<R>, R) {
    let max = x.iter().fold(R::neg_infinity(), |max, &x| reduction::maximum(x, max));
    let shifted: Vec<R> = x.iter().map(|&x| x - max).collect();
    let sum = shifted.iter().fold(R::zero(), |sum, z| sum + z.exp());
    (shifted, sum.ln())
}

/// Applies `f` to every row along a dimension.
pub(super) fn eval_rows<R: Real>(x: &Tensor<R>, axis: i64, f: impl Fn(&[R]) -> Vec<R>) -> Tensor<R> {
    let axis = dimension(axis, x.shape.len());
    let (c, step) = (x.shape[axis], x.shape[axis + 1..].iter().product::<usize>());
    let mut result = x.clone();
    for start in (0..x.data.len()).filter(|start| start / step % c == 0) {
        let row: Vec<R> = (0..c).map(|i| x.data[start + i * step]).collect();
        f(&row).into_iter().enumerate().for_each(|(i, y)| result.data[start + i * step] = y);
    }
    result
}

/// `x - max(x)` along a dimension.
pub(super) fn shifted(cx: &mut OpCx<'_>, x: NodeId, axis: i64) -> NodeId {
    let axes = vec![dimension(axis, cx.ty(x).rank())];
    let max = cx.add(ReduceMax { axes, keep_dims: true }, &[x]);
    cx.minus(x, max)
}

/// `sum(x)` along a dimension, kept as 1.
pub(super) fn sum_along(cx: &mut OpCx<'_>, x: NodeId, axis: i64) -> NodeId {
    let axes = vec![dimension(axis, cx.ty(x).rank())];
    cx.add(ReduceSum { axes, keep_dims: true }, &[x])
}

/// `log(sum(e^x))` along a dimension, kept as 1; `x` is shifted.
pub(super) fn log_sum_exp(cx: &mut OpCx<'_>, shifted: NodeId, axis: i64) -> NodeId {
    let exp = cx.add(Exp {}, &[shifted]);
    let sum = sum_along(cx, exp, axis);
    cx.add(Log {}, &[sum])
}

/// Numbers, and a dimension of them, the last one two times in three.
pub(super) fn draw_rows(draw: &mut dyn Draw) -> Option<(Operand, i64)> {
    if draw.pick(3) != 2 {
        return Some((draw.rows(1)?, -1));
    }
    let x = draw.any()?;
    let (axis, rank) = (draw.axis(x.shape())? as i64, x.ty.rank() as i64);
    Some((x, if draw.flag() { axis - rank } else { axis }))
}

impl OpRules for Softmax {
    const NAME: &'static str = "softmax";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "softmax over one dimension, `exp(x) / sum(exp(x))`";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Last activation of a classifier, with `categorical_crossentropy`: numbers from 0 to 1 \
                  whose sum is 1.",
        node: "probabilities",
        reads: &[FEATURES],
        ..Usage::PLAIN
    });
    const IS_ACTIVATION: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        infer(Self::NAME, operands[0], self.axis)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        eval_rows(operands[0], self.axis, |x| {
            let exp: Vec<R> = shifted_row(x).0.into_iter().map(R::exp).collect();
            let sum = exp.iter().fold(R::zero(), |sum, &e| sum + e);
            exp.into_iter().map(|e| e / sum).collect()
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = (dy - sum(dy * y)) * y
        let y = cx.node;
        let weighted = cx.times(dy, y);
        let mean = sum_along(cx, weighted, self.axis);
        let deviation = cx.minus(dy, mean);
        vec![Some(cx.times(deviation, y))]
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::AfterAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let z = shifted(cx, cx.operands[0], self.axis);
        let exp = cx.add(Exp {}, &[z]);
        let sum = sum_along(cx, exp, self.axis);
        cx.over(exp, sum)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (x, axis) = draw_rows(draw)?;
        Some(Drawn::of(Softmax { axis }, [x]).within(1.0))
    }
}
