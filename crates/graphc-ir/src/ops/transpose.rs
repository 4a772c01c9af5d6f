//! `transpose`: permutes dimensions.

use super::draw::{Draw, Drawn};
use super::facts::Usage;
use super::{Lowering, OpRules};
use crate::attrs::OpAttrs;
use crate::compute::{Compute, build};
use crate::graph::{NodeId, OpCx};
use crate::index::Affine;
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Shape, TensorType, TypeError};

op_struct! {
    /// Dimension `i` of the result is dimension `perm[i]` of the operand.
    pub struct Transpose {
        /// Which dimension of the input each dimension of the result is.
        pub perm: Vec<usize>,
    }
}

impl Transpose {
    /// The permutation that undoes this one.
    fn inverse(&self) -> Vec<usize> {
        let mut inverse = vec![0; self.perm.len()];
        for (to, &from) in self.perm.iter().enumerate() {
            inverse[from] = to;
        }
        inverse
    }
}

impl OpRules for Transpose {
    const NAME: &'static str = "transpose";
    const ARITY: usize = 1;
    const SUMMARY: &'static str = "dimensions in another order";
    const USAGE: Option<Usage> = Some(Usage {
        purpose: "Swaps dimensions. The batch stays first in what a layer reads.",
        node: "swapped",
        reads: &[("x", DType::F32, &[10, 8])],
        attributes: || Transpose { perm: vec![0, 2, 1] }.attrs(),
        ..Usage::PLAIN
    });
    const IS_EXACT: bool = true;

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let x = operands[0];
        let mut sorted = self.perm.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..x.rank()) {
            return Err(TypeError::new(format!(
                "perm must name each dimension of the operand of shape {} once, got {:?}",
                x.shape, self.perm
            )));
        }
        let dims = self.perm.iter().map(|&axis| x.shape.0[axis]).collect();
        Ok(TensorType { dtype: x.dtype, shape: Shape(dims) })
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let mut from = vec![0; out.len()];
        Tensor::from_fn(out, |index| {
            for (&axis, &i) in self.perm.iter().zip(index) {
                from[axis] = i;
            }
            operands[0].at(&from)
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = dy, permuted back
        vec![Some(cx.add(Transpose { perm: self.inverse() }, &[dy]))]
    }

    fn lower(&self, _: &[&TensorType], out: &TensorType) -> Lowering {
        let index: Vec<Affine> = self.inverse().into_iter().map(Compute::axis).collect();
        Lowering::Compute(Compute::map(&out.shape.0, build::load(0, index)))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.tensor(&|shape| shape.rank() >= 2)?;
        let mut rest: Vec<usize> = (0..x.ty.rank()).collect();
        // Two times in three a batch in front stays there.
        let n_kept = usize::from(x.shape().batch_axis() == Some(0) && draw.pick(3) != 2);
        let mut perm: Vec<usize> = rest.drain(..n_kept).collect();
        while !rest.is_empty() {
            // The last first, so that the simplest choice is not the identity.
            perm.push(rest.remove(rest.len() - 1 - draw.pick(rest.len())));
        }
        Some(Drawn::of(Transpose { perm }, [x]))
    }
}
