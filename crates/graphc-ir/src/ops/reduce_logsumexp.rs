//! `reduce_logsumexp`: a smooth maximum over axes.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Clip, Exp, Expand, Log, OpRules, ReduceMax, ReduceSum, reduction};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{TensorType, TypeError};

op_struct! {
    /// `log(sum(e^x))` over `axes`, shifted by the maximum so that nothing overflows. As in PyTorch it is minus infinity
    /// if all elements are, and infinite if one is, where the gradient is NaN; that of the finite ones beside an infinite
    /// one is 0.
    pub struct ReduceLogsumexp {
        /// Reduced dimensions, ascending, at least one.
        pub axes: Vec<usize>,
        /// Whether they stay, with size 1.
        pub keep_dims: bool = false,
    }
}

impl OpRules for ReduceLogsumexp {
    const NAME: &'static str = "reduce_logsumexp";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "logarithm of the sum of exponentials over dimensions";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "The logarithm of a sum of numbers whose logarithms are given; a smooth maximum.",
        node: "energy",
        reads: &[FEATURES],
        attributes: || ReduceLogsumexp { axes: vec![1], keep_dims: false }.attrs(),
        ..Usage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        reduction::infer_some(operands[0], &self.axes, self.keep_dims)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let (x, axes) = (operands[0], &self.axes);
        let kept: Vec<usize> = (0..x.shape.len()).map(|axis| if axes.contains(&axis) { 1 } else { x.shape[axis] }).collect();
        let mut shift = reduction::eval(x, axes, &kept, R::neg_infinity(), |max, x| reduction::maximum(x, max));
        shift.data.iter_mut().filter(|max| max.is_infinite()).for_each(|max| *max = R::zero());
        let exp = Tensor::from_fn(&x.shape, |index| {
            let mut own = index.to_vec();
            axes.iter().for_each(|&axis| own[axis] = 0);
            (x.at(index) - shift.at(&own)).exp()
        });
        let sum = reduction::eval(&exp, axes, out, R::zero(), |sum, e| sum + e);
        Tensor::new(out.to_vec(), sum.data.iter().zip(&shift.data).map(|(sum, &shift)| sum.ln() + shift).collect())
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy * e^(x - y)
        let x = cx.operands[0];
        let kept = reduction::kept_shape(&cx.ty(x).shape, &self.axes);
        let [y, dy] = [cx.node, dy].map(|node| cx.reshaped(node, &kept));
        let share = cx.minus(x, y);
        let share = cx.add(Exp {}, &[share]);
        vec![Some(cx.times(dy, share))]
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::AfterAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let (x, out) = (cx.operands[0], cx.ty(cx.node).shape);
        let max = cx.add(ReduceMax { axes: self.axes.clone(), keep_dims: true }, &[x]);
        // A finite shift: the difference to an infinite one would be NaN.
        let shift = cx.add(Clip { x_min: f64::from(f32::MIN), x_max: f64::from(f32::MAX) }, &[max]);
        let shifted = cx.minus(x, shift);
        let exp = cx.add(Exp {}, &[shifted]);
        let sum = cx.add(ReduceSum { axes: self.axes.clone(), keep_dims: self.keep_dims }, &[exp]);
        let (log, shift) = (cx.add(Log {}, &[sum]), cx.reshaped(shift, &out));
        cx.plus(log, shift)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (x, axes, keep_dims) = reduction::draw(draw)?;
        let bound = x.bound + 10.0;
        Some(Drawn::of(ReduceLogsumexp { axes, keep_dims }, [x]).within(bound))
    }
}
