//! `conv2d_kernel_grad`: the gradient of `conv2d` by its kernel.

use super::{Conv2d, Conv2dInputGrad, Lowering, OpRules};
use crate::compute::{Combine, Compute, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor};
use crate::types::{Shape, TensorType, TypeError};

op_struct! {
    /// `dw[r,s,c,k] = sum over n,p,q of x[n, p*stride - top + r, q*stride - left + s, c] * dy[n,p,q,k]`.
    pub struct Conv2dKernelGrad {
        /// Strides of the convolution.
        pub strides: [usize; 2],
        /// Padding of the convolution: top, bottom, left, right.
        pub padding: [usize; 4],
        /// Shape of the kernel.
        pub shape: Shape,
    }
}

impl OpRules for Conv2dKernelGrad {
    const NAME: &'static str = "conv2d_kernel_grad";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "gradient of conv2d by its kernel, from (images, dy)";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let kernel = TensorType::f32(self.shape.clone());
        let forward = Conv2d { strides: self.strides, padding: self.padding };
        let expected = forward.infer(&[operands[0], &kernel])?;
        if *operands[1] != expected {
            return Err(TypeError::operand(
                1,
                format!("expected the gradient of conv2d's result, {expected}, got {}", operands[1]),
            ));
        }
        Ok(kernel)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let [x, dy] = [operands[0], operands[1]];
        let [top, _, left, _] = self.padding;
        Tensor::from_fn(out, |index| {
            let [r, s, c, k] = [index[0], index[1], index[2], index[3]];
            let mut sum = R::zero();
            for n in 0..dy.shape[0] {
                for p in 0..dy.shape[1] {
                    let Some(h) = (p * self.strides[0] + r).checked_sub(top).filter(|&h| h < x.shape[1]) else {
                        continue;
                    };
                    for q in 0..dy.shape[2] {
                        let Some(wd) = (q * self.strides[1] + s).checked_sub(left).filter(|&wd| wd < x.shape[2]) else {
                            continue;
                        };
                        sum = x.at(&[n, h, wd, c]).mul_add(dy.at(&[n, p, q, k]), sum);
                    }
                }
            }
            sum
        })
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // Bilinear in the images and in the forward gradient.
        let [x, gradient] = [cx.operands[0], cx.operands[1]];
        let x_shape = cx.ty(x).shape;
        let (strides, padding) = (self.strides, self.padding);
        let dx = cx.add(Conv2dInputGrad { strides, padding, shape: x_shape }, &[gradient, dy]);
        let d_gradient = cx.add(Conv2d { strides, padding }, &[x, dy]);
        vec![Some(dx), Some(d_gradient)]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        // Axes r s c k; reductions n p q.
        let [r, s, c, k] = [0, 1, 2, 3].map(Compute::axis);
        let [n, p, q] = [4, 5, 6].map(|var| Affine::var(Var(var)));
        let [top, _, left, _] = self.padding.map(|x| x as i64);
        let h = p.times(self.strides[0] as i64).plus(&r).plus_constant(-top);
        let w = q.times(self.strides[1] as i64).plus(&s).plus_constant(-left);
        let x = build::load(0, vec![n.clone(), h, w, c]);
        let body = build::binary(BinaryOp::Mul, x, build::load(1, vec![n, p, q, k]));
        Lowering::Compute(Compute::reduce(&out.shape.0, &operands[1].shape.0[..3], Combine::Sum, body))
    }
}
