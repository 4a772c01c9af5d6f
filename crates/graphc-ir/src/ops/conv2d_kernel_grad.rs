//! `conv2d_kernel_grad`: the gradient of `conv2d` by its kernel.

use super::draw::{Draw, Drawn};
use super::convolution::{Groups, Windows, fixed};
use super::winograd::value;
use super::{
    Algorithm, Conv2d, Conv2dInputGrad, Expand, Lowering, OpRules, WinogradInput, WinogradKernelGrad,
    WinogradOutputGrad,
};
use crate::compute::{Combine, Compute, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor, add_scaled};
use crate::types::{Shape, TensorType, TypeError};
use crate::vectors::with_vectors;

op_struct! {
    /// `dw[r,s,c,k] = sum over n,p,q of dy[n,p,q,k] * x[n, h, w, C*g + c]` with `h = p*stride - top + r*dilation` and
    /// `w = q*stride - left + s*dilation`; filter `k` belongs to group `g` of the `C` channels each.
    pub struct Conv2dKernelGrad {
        /// Strides of the convolution.
        pub strides: [usize; 2],
        /// Padding of the convolution: top, bottom, left, right.
        pub padding: [usize; 4],
        /// Pixels from one tap to the next along h and w.
        pub dilation: [usize; 2] = [1, 1],
        /// Groups of channels, each with filters of its own.
        pub groups: usize = 1,
        /// How it is computed.
        pub algorithm: Algorithm = Algorithm::Direct,
        /// Shape of the kernel.
        pub shape: Shape,
    }
}

impl Conv2dKernelGrad {
    /// The gradient of the convolution of these windows, by a kernel of that shape.
    pub fn of(windows: Windows, shape: Shape) -> Conv2dKernelGrad {
        let Windows { strides, padding, dilation, groups, algorithm } = windows;
        Conv2dKernelGrad { strides, padding, dilation, groups, algorithm, shape }
    }

    /// The windows of the convolution.
    pub fn windows(&self) -> Windows {
        let Conv2dKernelGrad { strides, padding, dilation, groups, algorithm, .. } = *self;
        Windows { strides, padding, dilation, groups, algorithm }
    }
}

impl OpRules for Conv2dKernelGrad {
    const NAME: &'static str = "conv2d_kernel_grad";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "gradient of conv2d by its kernel, from (images, dy)";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let kernel = TensorType::f32(self.shape.clone());
        let expected = self.windows().infer(operands[0], &kernel)?;
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
        if let Some(tile) = self.algorithm.tile() {
            let images = value(&WinogradInput { tile, padding: self.padding }, &[x]);
            let gradient = value(&WinogradOutputGrad { tile }, &[dy]);
            let positions = Windows::of_positions(tile);
            let shape = Shape::fixed(&[1, 1, out[2], positions.groups * out[3]]);
            let product = value(&Conv2dKernelGrad::of(positions, shape), &[&images, &gradient]);
            return value(&WinogradKernelGrad { tile }, &[&product]);
        }
        let windows = self.windows();
        let groups = windows.groups(out);
        let mut dw = Tensor::full(out, 0.0);
        with_vectors(#[inline(always)] || {
            for (pixel, row) in dy.data.chunks(dy.shape[3].max(1)).enumerate() {
                let [n, p, q] = Windows::window_of_row(pixel, &dy.shape);
                for [r, s] in windows.taps(out) {
                    let Some(h) = windows.pixel(0, p, r, x.shape[1]) else { continue };
                    let Some(wd) = windows.pixel(1, q, s, x.shape[2]) else { continue };
                    for c in 0..out[2] {
                        let (image, kernel) = (x.row(&[n, h, wd]), dw.row_mut(&[r, s, c]));
                        for (first, filters) in groups.each() {
                            add_scaled(&mut kernel[filters.clone()], image[first + c], &row[filters]);
                        }
                    }
                }
            }
        });
        dw
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // Bilinear in the images and in the forward gradient.
        let [x, gradient] = [cx.operands[0], cx.operands[1]];
        let x_shape = cx.ty(x).shape;
        let dx = cx.add(Conv2dInputGrad::of(self.windows(), x_shape), &[gradient, dy]);
        let d_gradient = cx.add(Conv2d::of(self.windows()), &[x, dy]);
        vec![Some(dx), Some(d_gradient)]
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        self.algorithm.tile().map(|_| Expand::AfterAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        // dw = G^T ((B^T x B) * (A dy A^T)) G
        let [x, dy] = [cx.operands[0], cx.operands[1]];
        let tile = self.algorithm.tile().expect("the direct one is no composite");
        let images = cx.add(WinogradInput { tile, padding: self.padding }, &[x]);
        let gradient = cx.add(WinogradOutputGrad { tile }, &[dy]);
        let positions = Windows::of_positions(tile);
        let [c, k] = [2, 3].map(|axis| fixed(self.shape.0[axis]));
        let shape = Shape::fixed(&[1, 1, c, positions.groups * k]);
        let product = cx.add(Conv2dKernelGrad::of(positions, shape), &[images, gradient]);
        cx.add(WinogradKernelGrad { tile }, &[product])
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        // Axes r s c k; reductions n p q.
        let [r, s, c, k] = [0, 1, 2, 3].map(Compute::axis);
        let [n, p, q] = [4, 5, 6].map(|var| Affine::var(Var(var)));
        let windows = self.windows();
        let (h, w) = (windows.pixel_index(0, &p, &r), windows.pixel_index(1, &q, &s));
        let channel = Groups::of(&windows, out).channel_index(&k, &c);
        let x = build::load(0, vec![n.clone(), h, w, channel]);
        let body = build::binary(BinaryOp::Mul, x, build::load(1, vec![n, p, q, k]));
        Lowering::Compute(Compute::reduce(&out.shape.0, &operands[1].shape.0[..3], Combine::Sum, body))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (windows, x, w) = Windows::draw(draw)?;
        let dy = draw.given(windows.infer(&x.ty, &w.ty).ok()?);
        Some(Drawn::of(Conv2dKernelGrad::of(windows, w.ty.shape), [x, dy]))
    }
}
