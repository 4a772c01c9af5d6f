//! `reduce_prod`: product over axes.

use super::draw::{Draw, Drawn};
use super::facts::{FEATURES, Usage};
use super::{Expand, OpRules, Slice, axis, reduction};
use crate::attrs::OpAttrs;
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{Dim, TensorType, TypeError};

op_struct! {
    /// Product over `axes`. It is a tree: one half of an axis times the other, again and again. So the gradient of a
    /// factor is the product of all others, whether some of them are 0 or not: nothing is divided by the factor.
    pub struct ReduceProd {
        /// Reduced dimensions, ascending, at least one; not the batch.
        pub axes: Vec<usize>,
        /// Whether they stay, with size 1.
        pub keep_dims: bool = false,
    }
}

/// The product of all coordinates of an axis, which stays with size 1.
fn product(cx: &mut OpCx<'_>, mut x: NodeId, axis: usize) -> NodeId {
    let part = |cx: &mut OpCx<'_>, x, start, end| cx.add(Slice::part(axis, start, end), &[x]);
    let mut rest = None;
    let mut size = cx.ty(x).fixed_dim(axis, "the axis").expect("it is reduced");
    while size > 1 {
        let half = size / 2;
        let [first, second] = [0, half].map(|start| part(cx, x, start, start + half));
        if size % 2 == 1 {
            let last = part(cx, x, size - 1, size);
            rest = Some(rest.map_or(last, |rest| cx.times(rest, last)));
        }
        (x, size) = (cx.times(first, second), half);
    }
    rest.map_or(x, |rest| cx.times(x, rest))
}

impl OpRules for ReduceProd {
    const NAME: &'static str = "reduce_prod";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "product over dimensions";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Products, such as of probabilities of what is independent.",
        node: "all_of_them",
        reads: &[FEATURES],
        attributes: || ReduceProd { axes: vec![1], keep_dims: false }.attrs(),
        ..Usage::PLAIN
    });

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let ty = reduction::infer_some(operands[0], &self.axes, self.keep_dims)?;
        self.axes.iter().try_for_each(|&axis| axis::axis_size(Self::NAME, 0, operands[0], axis).map(|_| ()))?;
        Ok(ty)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        reduction::eval(operands[0], &self.axes, out, R::one(), |product, x| product * x)
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let (x, out) = (cx.operands[0], cx.ty(cx.node).shape);
        let product = self.axes.iter().fold(x, |x, &axis| product(cx, x, axis));
        cx.reshaped(product, &out)
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (x, mut axes, keep_dims) = reduction::draw(draw)?;
        // Not so many factors that the product becomes huge.
        let mut n_factors = 1;
        axes.retain(|&axis| match x.shape().0[axis] {
            Dim::Fixed(size) if n_factors * size <= 9 => {
                n_factors *= size;
                true
            }
            _ => false,
        });
        let bound = x.bound.powi(n_factors as i32);
        (!axes.is_empty()).then(|| Drawn::of(ReduceProd { axes, keep_dims }, [x]).within(bound))
    }
}
