//! `conv2d`: two-dimensional convolution (cross-correlation) of NHWC images with HWIO kernels.

use super::draw::{Draw, Drawn};
use super::convolution::{Groups, Windows};
use super::winograd::{first, value};
use super::winograd_output_grad::cut;
use super::{
    Algorithm, Conv2dInputGrad, Conv2dKernelGrad, Expand, Lowering, OpRules, WinogradInput, WinogradKernel,
    WinogradOutput,
};
use crate::compute::{Combine, Compute, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor, add_scaled};
use crate::types::{TensorType, TypeError};
use crate::vectors::with_vectors;

op_struct! {
    /// `y[n,p,q,k] = sum over r,s,c of w[r,s,c,k] * x[n, h, w, C*g + c]` with `h = p*stride - top + r*dilation` and
    /// `w = q*stride - left + s*dilation`, terms outside the image left out; filter `k` belongs to group `g` of the `C`
    /// channels each.
    pub struct Conv2d {
        /// Step along h and w.
        pub strides: [usize; 2],
        /// Zeros added at the top, bottom, left and right.
        pub padding: [usize; 4],
        /// Pixels from one tap to the next along h and w.
        pub dilation: [usize; 2] = [1, 1],
        /// Groups of channels, each with filters of its own.
        pub groups: usize = 1,
        /// How it is computed.
        pub algorithm: Algorithm = Algorithm::Direct,
    }
}

impl Conv2d {
    /// The convolution of these windows.
    pub fn of(windows: Windows) -> Conv2d {
        let Windows { strides, padding, dilation, groups, algorithm } = windows;
        Conv2d { strides, padding, dilation, groups, algorithm }
    }

    /// Its windows.
    pub fn windows(&self) -> Windows {
        let Conv2d { strides, padding, dilation, groups, algorithm } = *self;
        Windows { strides, padding, dilation, groups, algorithm }
    }
}

impl OpRules for Conv2d {
    const NAME: &'static str = "conv2d";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "2-D convolution of NHWC images with an HWIO kernel";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        self.windows().infer(operands[0], operands[1])
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let [x, w] = [operands[0], operands[1]];
        if let Some(tile) = self.algorithm.tile() {
            let images = value(&WinogradInput { tile, padding: self.padding }, &[x]);
            let kernel = value(&WinogradKernel { tile, turned: false }, &[w]);
            let product = value(&Conv2d::of(Windows::of_positions(tile)), &[&images, &kernel]);
            return first(&value(&WinogradOutput { tile }, &[&product]), out);
        }
        let windows = self.windows();
        let groups = windows.groups(&w.shape);
        let mut y = Tensor::full(out, 0.0);
        with_vectors(#[inline(always)] || {
            for (pixel, row) in y.data.chunks_mut(out[3].max(1)).enumerate() {
                let [n, p, q] = Windows::window_of_row(pixel, out);
                for [r, s] in windows.taps(&w.shape) {
                    let Some(h) = windows.pixel(0, p, r, x.shape[1]) else { continue };
                    let Some(wd) = windows.pixel(1, q, s, x.shape[2]) else { continue };
                    for c in 0..w.shape[2] {
                        let (image, kernel) = (x.row(&[n, h, wd]), w.row(&[r, s, c]));
                        for (first, filters) in groups.each() {
                            add_scaled(&mut row[filters.clone()], image[first + c], &kernel[filters]);
                        }
                    }
                }
            }
        });
        y
    }

    fn vjp(&self, cx: &mut OpCx<'_>, dy: NodeId) -> Vec<Option<NodeId>> {
        // dx = sum over p,q,k of dy * w at the taps that read x; dw = sum over n,p,q of x * dy
        let [x, w] = [cx.operands[0], cx.operands[1]];
        let (x_shape, w_shape) = (cx.ty(x).shape, cx.ty(w).shape);
        let dx = Conv2dInputGrad::of(self.windows(), x_shape);
        let dw = Conv2dKernelGrad::of(self.windows(), w_shape);
        vec![Some(cx.add(dx, &[dy, w])), Some(cx.add(dw, &[x, dy]))]
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        self.algorithm.tile().map(|_| Expand::AfterAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        // y = A^T ((G w G^T) * (B^T x B)) A
        let ([x, w], shape) = ([cx.operands[0], cx.operands[1]], cx.ty(cx.node).shape);
        let tile = self.algorithm.tile().expect("the direct one is no composite");
        let images = cx.add(WinogradInput { tile, padding: self.padding }, &[x]);
        let kernel = cx.add(WinogradKernel { tile, turned: false }, &[w]);
        let product = cx.add(Conv2d::of(Windows::of_positions(tile)), &[images, kernel]);
        let tiles = cx.add(WinogradOutput { tile }, &[product]);
        cut(cx, tiles, &shape)
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        // Axes n p q k; reductions r s c.
        let [n, p, q, k] = [0, 1, 2, 3].map(Compute::axis);
        let [r, s, c] = [4, 5, 6].map(|var| Affine::var(Var(var)));
        let windows = self.windows();
        let (h, w) = (windows.pixel_index(0, &p, &r), windows.pixel_index(1, &q, &s));
        let channel = Groups::of(&windows, operands[1]).channel_index(&k, &c);
        let x = build::load(0, vec![n, h, w, channel]);
        let body = build::binary(BinaryOp::Mul, x, build::load(1, vec![r, s, c, k]));
        Lowering::Compute(Compute::reduce(&out.shape.0, &operands[1].shape.0[..3], Combine::Sum, body))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (windows, x, w) = Windows::draw(draw)?;
        Some(Drawn::of(Conv2d::of(windows), [x, w]))
    }
}
