//! `conv2d_input_grad`: the gradient of `conv2d` by its images.

use super::{Conv2d, Conv2dKernelGrad, Lowering, OpRules};
use crate::compute::{Combine, Compute, LoadIndex, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor, for_each_index, linear_index};
use crate::types::{Shape, TensorType, TypeError};

op_struct! {
    /// `dx[n,h,w,c] = sum over r,s,k of dy[n, (h + top - r) / stride, (w + left - s) / stride, k] * w[r,s,c,k]`,
    /// over the taps where the division is exact and the result lies inside `dy`.
    pub struct Conv2dInputGrad {
        /// Strides of the convolution.
        pub strides: [usize; 2],
        /// Padding of the convolution: top, bottom, left, right.
        pub padding: [usize; 4],
        /// Shape of the images.
        pub shape: Shape,
    }
}

impl OpRules for Conv2dInputGrad {
    const NAME: &'static str = "conv2d_input_grad";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "gradient of conv2d by its images, from (dy, kernel)";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let images = TensorType::f32(self.shape.clone());
        let forward = Conv2d { strides: self.strides, padding: self.padding };
        let expected = forward.infer(&[&images, operands[1]])?;
        if *operands[0] != expected {
            return Err(TypeError::operand(
                0,
                format!("expected the gradient of conv2d's result, {expected}, got {}", operands[0]),
            ));
        }
        Ok(images)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        // Scatters every term dy[n,p,q,k] * w[r,s,c,k] to the pixel that conv2d read.
        let [dy, w] = [operands[0], operands[1]];
        let [top, _, left, _] = self.padding;
        let mut dx = Tensor::full(out, 0.0);
        for_each_index(&dy.shape, |index| {
            let [n, p, q, k] = [index[0], index[1], index[2], index[3]];
            let gradient = dy.at(index);
            for r in 0..w.shape[0] {
                let Some(h) = (p * self.strides[0] + r).checked_sub(top).filter(|&h| h < out[1]) else { continue };
                for s in 0..w.shape[1] {
                    let Some(wd) = (q * self.strides[1] + s).checked_sub(left).filter(|&wd| wd < out[2]) else {
                        continue;
                    };
                    for c in 0..w.shape[2] {
                        let slot = &mut dx.data[linear_index(out, &[n, h, wd, c])];
                        *slot = gradient.mul_add(w.at(&[r, s, c, k]), *slot);
                    }
                }
            }
        });
        dx
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // Bilinear: the transpose of the input gradient is the convolution itself.
        let [gradient, w] = [cx.operands[0], cx.operands[1]];
        let w_shape = cx.ty(w).shape;
        let (strides, padding) = (self.strides, self.padding);
        let d_gradient = cx.add(Conv2d { strides, padding }, &[dy, w]);
        let dw = cx.add(Conv2dKernelGrad { strides, padding, shape: w_shape }, &[dy, gradient]);
        vec![Some(d_gradient), Some(dw)]
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        // Axes n h w c; reductions r s k.
        let [n, h, w, c] = [0, 1, 2, 3].map(Compute::axis);
        let [r, s, k] = [4, 5, 6].map(|var| Affine::var(Var(var)));
        let [top, _, left, _] = self.padding.map(|x| x as i64);
        let p = LoadIndex { value: h.plus_constant(top).add_scaled(&r, -1), exact: self.strides[0] as i64 };
        let q = LoadIndex { value: w.plus_constant(left).add_scaled(&s, -1), exact: self.strides[1] as i64 };
        let dy = ScalarExpr::Load { operand: 0, index: vec![n.into(), p, q, k.clone().into()] };
        let body = build::binary(BinaryOp::Mul, dy, build::load(1, vec![r, s, c, k]));
        let kernel = &operands[1].shape.0;
        Lowering::Compute(Compute::reduce(&out.shape.0, &[kernel[0], kernel[1], kernel[3]], Combine::Sum, body))
    }
}
