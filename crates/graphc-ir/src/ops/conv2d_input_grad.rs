//! `conv2d_input_grad`: the gradient of `conv2d` by its images.

use super::draw::{Draw, Drawn};
use super::convolution::{Groups, Windows, fixed};
use super::winograd::{first, value};
use super::winograd_output_grad::cut;
use super::{
    Algorithm, Conv2d, Conv2dKernelGrad, Expand, Lowering, OpRules, WinogradInput, WinogradKernel, WinogradOutput,
};
use crate::compute::{Combine, Compute, ScalarExpr, build};
use crate::graph::{NodeId, OpCx};
use crate::index::{Affine, Var};
use crate::op_struct;
use crate::scalar::BinaryOp;
use crate::tensor::{Real, Tensor, add_scaled};
use crate::types::{Dim, Shape, TensorType, TypeError};
use crate::vectors::with_vectors;

op_struct! {
    /// `dx[n,h,w,c] = sum over r,s,f of w[r,s,c % C,k] * dy[n,p,q,k]` with `p = (h + top - r*dilation) / stride` and
    /// `q = (w + left - s*dilation) / stride`, over the taps where the division is exact and the result lies inside
    /// `dy`; `k = F*(c / C) + f` are the `F` filters that read the group of `C` channels that `c` belongs to.
    pub struct Conv2dInputGrad {
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
        /// Shape of the images.
        pub shape: Shape,
    }
}

impl Conv2dInputGrad {
    /// The gradient of the convolution of these windows, by images of that shape.
    pub fn of(windows: Windows, shape: Shape) -> Conv2dInputGrad {
        let Windows { strides, padding, dilation, groups, algorithm } = windows;
        Conv2dInputGrad { strides, padding, dilation, groups, algorithm, shape }
    }

    /// The windows of the convolution.
    pub fn windows(&self) -> Windows {
        let Conv2dInputGrad { strides, padding, dilation, groups, algorithm, .. } = *self;
        Windows { strides, padding, dilation, groups, algorithm }
    }
}

impl OpRules for Conv2dInputGrad {
    const NAME: &'static str = "conv2d_input_grad";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "gradient of conv2d by its images, from (dy, kernel)";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let images = TensorType::f32(self.shape.clone());
        let expected = self.windows().infer(&images, operands[1])?;
        if *operands[0] != expected {
            return Err(TypeError::operand(
                0,
                format!("expected the gradient of conv2d's result, {expected}, got {}", operands[0]),
            ));
        }
        Ok(images)
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        if let Some(tile) = self.algorithm.tile() {
            let [dy, w] = [operands[0], operands[1]];
            let gradient = value(&WinogradInput { tile, padding: self.windows().of_input_grad().padding }, &[dy]);
            let kernel = value(&WinogradKernel { tile, turned: true }, &[w]);
            let positions = Windows::of_positions(tile);
            let shape = [&gradient.shape[..3], &[positions.groups * out[3]]].concat();
            let product = Conv2dInputGrad::of(positions, Shape::fixed(&shape));
            let product = value(&product, &[&gradient, &kernel]);
            return first(&value(&WinogradOutput { tile }, &[&product]), out);
        }
        // Scatters every term dy[n,p,q,k] * w[r,s,c,k] to the pixel that conv2d read.
        let (dy, w) = (operands[0], operands[1].transposed());
        let windows = self.windows();
        let groups = windows.groups(&operands[1].shape);
        let mut dx = Tensor::full(out, 0.0);
        with_vectors(#[inline(always)] || {
            for (pixel, row) in dy.data.chunks(dy.shape[3].max(1)).enumerate() {
                let [n, p, q] = Windows::window_of_row(pixel, &dy.shape);
                for [r, s] in windows.taps(&w.shape) {
                    let Some(h) = windows.pixel(0, p, r, out[1]) else { continue };
                    let Some(wd) = windows.pixel(1, q, s, out[2]) else { continue };
                    let image = dx.row_mut(&[n, h, wd]);
                    for (first, filters) in groups.each() {
                        for k in filters {
                            add_scaled(&mut image[first..][..groups.n_channels], row[k], w.row(&[r, s, k]));
                        }
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
        let d_gradient = cx.add(Conv2d::of(self.windows()), &[dy, w]);
        let dw = cx.add(Conv2dKernelGrad::of(self.windows(), w_shape), &[dy, gradient]);
        vec![Some(d_gradient), Some(dw)]
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        self.algorithm.tile().map(|_| Expand::AfterAutodiff)
    }

    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        // The convolution of dy with the kernel turned round, whose filters are the channels.
        let ([dy, w], shape) = ([cx.operands[0], cx.operands[1]], cx.ty(cx.node).shape);
        let tile = self.algorithm.tile().expect("the direct one is no composite");
        let padding = self.windows().of_input_grad().padding;
        let gradient = cx.add(WinogradInput { tile, padding }, &[dy]);
        let kernel = cx.add(WinogradKernel { tile, turned: true }, &[w]);
        let positions = Windows::of_positions(tile);
        let mut dims = cx.ty(gradient).shape;
        dims.0[3] = (positions.groups * fixed(shape.0[3])).into();
        let product = cx.add(Conv2dInputGrad::of(positions, dims), &[gradient, kernel]);
        let tiles = cx.add(WinogradOutput { tile }, &[product]);
        cut(cx, tiles, &shape)
    }

    fn lower(&self, operands: &[&TensorType], out: &TensorType) -> Lowering {
        // Axes n h w c; reductions r s f.
        let [n, h, w, c] = [0, 1, 2, 3].map(Compute::axis);
        let [r, s, f] = [4, 5, 6].map(|var| Affine::var(Var(var)));
        let windows = self.windows();
        let groups = Groups::of(&windows, operands[1]);
        let (p, q) = (windows.window_index(0, &h, &r), windows.window_index(1, &w, &s));
        let k = groups.filter_index(&c, &f);
        let dy = ScalarExpr::Load { operand: 0, index: vec![n.into(), p, q, k.clone().into()] };
        let body = build::binary(BinaryOp::Mul, dy, build::load(1, vec![r, s, groups.channel_in_group(&c), k]));
        let kernel = &operands[1].shape.0;
        let reds = [kernel[0], kernel[1], Dim::Fixed(groups.n_filters)];
        Lowering::Compute(Compute::reduce(&out.shape.0, &reds, Combine::Sum, body))
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let (windows, x, w) = Windows::draw(draw)?;
        let dy = draw.given(windows.infer(&x.ty, &w.ty).ok()?);
        Some(Drawn::of(Conv2dInputGrad::of(windows, x.ty.shape), [dy, w]))
    }
}
