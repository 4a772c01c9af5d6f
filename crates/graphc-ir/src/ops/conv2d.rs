//! `conv2d`: two-dimensional convolution (cross-correlation) of NHWC images with HWIO kernels.

use super::{Conv2dInputGrad, Conv2dKernelGrad, Lowering, OpRules};
use crate::compute::{Combine, Compute, LoadIndex, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

op_struct! {
    /// `y[n,p,q,k] = sum over r,s,c of x[n, p*stride - top + r, q*stride - left + s, c] * w[r,s,c,k]`,
    /// terms outside the image left out.
    pub struct Conv2d {
        /// Step along h and w.
        pub strides: [usize; 2],
        /// Zeros added at the top, bottom, left and right.
        pub padding: [usize; 4],
    }
}

impl Conv2d {
    /// Output size along one direction, or the reason why there is none.
    pub(super) fn output_size(size: usize, kernel: usize, stride: usize, padding: usize) -> Option<usize> {
        if stride == 0 || kernel == 0 {
            return None;
        }
        Some(size.checked_add(padding)?.checked_sub(kernel)? / stride + 1)
    }
}

impl OpRules for Conv2d {
    const NAME: &'static str = "conv2d";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "2-D convolution of NHWC images with an HWIO kernel";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let [x, w] = [operands[0], operands[1]];
        if x.dtype != DType::F32 || x.rank() != 4 || x.shape.batch_axis().is_some_and(|axis| axis != 0) {
            return Err(TypeError::operand(0, format!("conv2d expects f32 images of shape [N,h,w,c], got {x}")));
        }
        if w.dtype != DType::F32 || w.rank() != 4 || w.shape.batch_axis().is_some() {
            return Err(TypeError::operand(1, format!("conv2d expects an f32 kernel of shape [r,s,c,k], got {w}")));
        }
        let [h, wd, c] = [1, 2, 3].map(|axis| x.shape.0[axis]).map(fixed);
        let [r, s, kc, k] = [0, 1, 2, 3].map(|axis| w.shape.0[axis]).map(fixed);
        if c != kc {
            return Err(TypeError::operand(
                0,
                format!("the kernel {} expects {kc} input channels, got {c} (input {})", w.shape, x.shape),
            ));
        }
        let [top, bottom, left, right] = self.padding;
        let p = Conv2d::output_size(h, r, self.strides[0], top + bottom);
        let q = Conv2d::output_size(wd, s, self.strides[1], left + right);
        match (p, q) {
            (Some(p), Some(q)) => Ok(TensorType::f32(Shape(vec![x.shape.0[0], p.into(), q.into(), k.into()]))),
            _ => Err(TypeError::operand(
                0,
                format!(
                    "a {r}x{s} kernel with strides {:?} and padding {:?} does not fit into an image of {h}x{wd}",
                    self.strides, self.padding
                ),
            )),
        }
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let [x, w] = [operands[0], operands[1]];
        let [top, _, left, _] = self.padding;
        Tensor::from_fn(out, |index| {
            let [n, p, q, k] = [index[0], index[1], index[2], index[3]];
            let mut sum = R::zero();
            for r in 0..w.shape[0] {
                let Some(h) = (p * self.strides[0] + r).checked_sub(top).filter(|&h| h < x.shape[1]) else { continue };
                for s in 0..w.shape[1] {
                    let Some(wd) = (q * self.strides[1] + s).checked_sub(left).filter(|&wd| wd < x.shape[2]) else {
                        continue;
                    };
                    for c in 0..w.shape[2] {
                        sum = x.at(&[n, h, wd, c]).mul_add(w.at(&[r, s, c, k]), sum);
                    }
                }
            }
            sum
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = sum over p,q,k of dy * w at the taps that read x; dw = sum over n,p,q of x * dy
        let [x, w] = [cx.operands[0], cx.operands[1]];
        let (x_shape, w_shape) = (cx.ty(x).shape, cx.ty(w).shape);
        let dx = Conv2dInputGrad { strides: self.strides, padding: self.padding, shape: x_shape };
        let dw = Conv2dKernelGrad { strides: self.strides, padding: self.padding, shape: w_shape };
        vec![Some(cx.add(dx, &[dy, w])), Some(cx.add(dw, &[x, dy]))]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        // Axes n p q k; reductions r s c.
        let [n, p, q, k] = [0, 1, 2, 3].map(Compute::axis);
        let [r, s, c] = [4, 5, 6].map(|var| Affine::var(Var(var)));
        let [top, _, left, _] = self.padding.map(|x| x as i64);
        let h = p.times(self.strides[0] as i64).plus(&r).plus_constant(-top);
        let w = q.times(self.strides[1] as i64).plus(&s).plus_constant(-left);
        let x = ScalarExpr::Load { operand: 0, index: [n, h, w, c.clone()].map(LoadIndex::from).to_vec() };
        let body = build::binary(BinaryOp::Mul, x, build::load(1, vec![r, s, c, k]));
        Lowering::Compute(Compute::reduce(&out.shape.0, &operands[1].shape.0[..3], Combine::Sum, body))
    }
}

/// Size of a dimension that is known not to be the batch.
fn fixed(dim: Dim) -> usize {
    match dim {
        Dim::Fixed(size) => size,
        Dim::Batch => unreachable!("at most one batch dimension, and it is first"),
    }
}
