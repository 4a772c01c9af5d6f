//! `tril`: the lower triangle of every matrix.

use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::triangle::{self, Part};
use super::{Lowering, OpRules};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, TensorType, TypeError};

op_struct! {
    /// `y[.., row, column] = column <= row + k ? x[.., row, column] : value`, as NumPy's `tril` but for `value`. What
    /// is not chosen has no influence, even if it is NaN.
    pub struct Tril {
        /// The diagonal that bounds it: 0 the main one, greater ones above it, less ones below it.
        pub k: i64 = 0,
        /// What stands above it.
        pub value: f64 = 0.0,
    }
}

impl OpRules for Tril {
    const NAME: &'static str = "tril";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "the lower triangle of matrices, a value above it";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Lower triangles, such as of scores: with a `value` of -1e9 in front of `softmax`, a place takes \
                  from those up to itself alone.",
        node: "triangle",
        reads: &[("scores", DType::F32, &[10, 10])],
        attributes: || Tril { k: 0, value: 0.0 }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        triangle::infer(Self::NAME, operands[0])
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], _: &[usize]) -> Tensor<R> {
        triangle::eval(operands[0], Part::Lower, self.k, self.value)
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy in the same triangle, 0 above it
        vec![Some(cx.add(Tril { k: self.k, value: 0.0 }, &[dy]))]
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        triangle::lower(out, Part::Lower, self.k, self.value)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (x, k, value, bound) = triangle::draw(draw)?;
        Some(Drawn::of(Tril { k, value }, [x]).within(bound))
    }
}
