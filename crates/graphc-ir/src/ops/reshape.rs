//! `reshape`: the same elements in row-major order under another shape.

use super::draw::{Draw, Drawn};
use super::{Lowering, OpRules};
use crate::compute::{Compute, build};
use crate::graph::{NodeId, OpCx};
use crate::index::Affine;
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{Dim, Shape, TensorType, TypeError};

op_struct! {
    /// The same elements in row-major order. The dimensions before a batch dimension hold as many
    /// elements in both shapes, so that a reshape never mixes samples.
    pub struct Reshape {
        /// The new shape.
        pub shape: Shape,
    }
}

impl OpRules for Reshape {
    const NAME: &'static str = "reshape";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "the same elements in row-major order under another shape; the batch keeps its place";
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let from = &operands[0].shape;
        if len_before_batch(from) != len_before_batch(&self.shape) {
            return Err(TypeError::new(format!(
                "reshape keeps the batch dimension N in its place, got {from} to {}",
                self.shape
            )));
        }
        if from.fixed_len() != self.shape.fixed_len() {
            return Err(TypeError::new(format!(
                "cannot reshape {from} ({} elements) to {} ({} elements)",
                from.fixed_len(),
                self.shape,
                self.shape.fixed_len()
            )));
        }
        Ok(TensorType { dtype: operands[0].dtype, shape: self.shape.clone() })
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        Tensor::new(out.to_vec(), operands[0].data.clone())
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy, reshaped back
        let shape = cx.ty(cx.operands[0]).shape;
        vec![Some(cx.reshaped(dy, &shape))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        // Row-major position in the result (without the batch), split along the operand's shape.
        let position = linear(&out.shape.0);
        let mut index = Vec::new();
        let mut stride = 1;
        for &dim in operands[0].shape.0.iter().rev() {
            index.push(match dim {
                Dim::Batch => Compute::axis(out.shape.batch_axis().expect("a batch on both sides")),
                Dim::Fixed(size) => {
                    let i = position.div(stride).modulo(size as i64);
                    stride *= size as i64;
                    i
                }
            });
        }
        index.reverse();
        Lowering::Compute(Compute::map(&out.shape.0, build::load(0, index)))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        // Behind the batch all in one, a factor split off in front, or one at the end behind a 1.
        let x = draw.any()?;
        let front = x.shape().batch_axis().map_or(0, |axis| axis + 1);
        let (mut dims, rest) = (x.shape().0[..front].to_vec(), Shape(x.shape().0[front..].to_vec()).fixed_len());
        let factors: Vec<usize> = (1..=rest).filter(|factor| rest.is_multiple_of(*factor)).collect();
        let [how, which] = [draw.pick(3), draw.pick(factors.len())];
        let factor = factors[which];
        let sizes = [vec![rest], vec![factor, rest / factor], vec![rest / factor, 1, factor]];
        dims.extend(sizes[how].iter().map(|&size| Dim::Fixed(size)));
        Some(Drawn::of(Reshape { shape: Shape(dims) }, [x]))
    }
}

/// Number of elements before the batch dimension; `None` without a batch dimension.
fn len_before_batch(shape: &Shape) -> Option<usize> {
    let axis = shape.batch_axis()?;
    Some(Shape(shape.0[..axis].to_vec()).fixed_len())
}

/// Row-major position of the axes `dims`, the batch left out.
fn linear(dims: &[Dim]) -> Affine {
    dims.iter().enumerate().fold(Affine::constant(0), |sum, (axis, dim)| match dim {
        Dim::Batch => sum,
        Dim::Fixed(size) => sum.times(*size as i64).plus(&Compute::axis(axis)),
    })
}
