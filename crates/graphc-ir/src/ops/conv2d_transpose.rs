//! `conv2d_transpose`: what a convolution does to its images, backwards: every pixel spreads a kernel over the result.

use super::convolution::Windows;
use super::draw::{Draw, Drawn};
use super::{Conv2dInputGrad, Expand, OpRules};
use crate::graph::{NodeId, OpCx};
use crate::op_struct;
use crate::tensor::{Real, Tensor};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

op_struct! {
    /// `y[n,h,w,k] = sum over p,q,r,s,c of x[n,p,q,c] * kernel[r,s,k,c]` with `h = p*stride - top + r*dilation` and
    /// `w = q*stride - left + s*dilation`, in an image of height `(p_size - 1)*stride + span - top - bottom +
    /// output_padding`, where `span = (r_size - 1)*dilation + 1`; the width likewise. These are the numbers of ONNX's
    /// `ConvTranspose` in Keras's layout.
    pub struct Conv2dTranspose {
        /// Pixels of the result from one pixel of the image to the next, along h and w.
        pub strides: [usize; 2] where Positive,
        /// What is cut off at the top, bottom, left and right.
        pub padding: [usize; 4],
        /// What is cut off less, or added, at the bottom and right: less than a stride.
        pub output_padding: [usize; 2] = [0, 0],
        /// Pixels from one tap to the next along h and w.
        pub dilation: [usize; 2] where Positive = [1, 1],
    }
}

impl Conv2dTranspose {
    /// The windows of the convolution that gives images of the operand's size.
    fn windows(&self) -> Windows {
        let Conv2dTranspose { strides, padding, dilation, .. } = *self;
        Windows { dilation, ..Windows::new(strides, padding) }
    }

    /// Height (`direction` 0) or width (1) of the result, if there is one.
    fn size(&self, direction: usize, size: usize, span: usize) -> Option<usize> {
        let covered = size.checked_sub(1)?.checked_mul(self.strides[direction])?.checked_add(span)?;
        let cut = self.padding[2 * direction].checked_add(self.padding[2 * direction + 1])?;
        covered.checked_add(self.output_padding[direction])?.checked_sub(cut).filter(|&size| size > 0)
    }
}

impl OpRules for Conv2dTranspose {
    const NAME: &'static str = "conv2d_transpose";
    const ARITY: usize = 2;
    const SUMMARY: &'static str = "transposed 2-D convolution of NHWC images with a kernel (height, width, out, in)";

    fn infer(&self, operands: &[&TensorType]) -> Result<TensorType, TypeError> {
        let [x, kernel] = [operands[0], operands[1]];
        let &[n, Dim::Fixed(h), Dim::Fixed(w), Dim::Fixed(c)] = x.shape.0.as_slice() else {
            return Err(TypeError::operand(0, format!("{} expects f32 images of shape [N,h,w,c], got {x}", Self::NAME)));
        };
        let &[Dim::Fixed(r), Dim::Fixed(s), Dim::Fixed(k), Dim::Fixed(kc)] = kernel.shape.0.as_slice() else {
            let message = format!("{} expects an f32 kernel of shape [r,s,k,c], got {kernel}", Self::NAME);
            return Err(TypeError::operand(1, message));
        };
        if let Some(i) = [x, kernel].iter().position(|ty| ty.dtype != DType::F32) {
            return Err(TypeError::operand(i, format!("{} expects f32 operands, got {}", Self::NAME, operands[i])));
        }
        if c != kc {
            let shape = &kernel.shape;
            let message = format!("the kernel {shape} expects {kc} input channels, got {c} (input {})", x.shape);
            return Err(TypeError::operand(0, message));
        }
        let (strides, more) = (self.strides, self.output_padding);
        if (0..2).any(|i| more[i] >= strides[i]) {
            return Err(TypeError::new(format!("output_padding {more:?} must be less than the strides {strides:?}")));
        }
        let span = Windows::span([r, s], self.dilation);
        match [self.size(0, h, span[0]), self.size(1, w, span[1])] {
            [Some(h), Some(w)] => Ok(TensorType::f32(Shape(vec![n, h.into(), w.into(), k.into()]))),
            _ => {
                let cut = self.padding;
                Err(TypeError::new(format!("padding {cut:?} leaves nothing of {h}x{w} images under a {r}x{s} kernel")))
            }
        }
    }

    fn eval<R: Real>(&self, operands: &[&Tensor<R>], out: &[usize]) -> Tensor<R> {
        let [x, kernel] = [operands[0], operands[1]];
        let windows = self.windows();
        let mut y = Tensor::full(out, 0.0);
        for (pixel, channels) in x.data.chunks(x.shape[3].max(1)).enumerate() {
            let [n, p, q] = Windows::window_of_row(pixel, &x.shape);
            for [r, s] in windows.taps(&kernel.shape) {
                let Some(h) = windows.pixel(0, p, r, out[1]) else { continue };
                let Some(w) = windows.pixel(1, q, s, out[2]) else { continue };
                for (k, y) in y.row_mut(&[n, h, w]).iter_mut().enumerate() {
                    let terms = channels.iter().zip(kernel.row(&[r, s, k]));
                    *y = terms.fold(*y, |sum, (&x, &weight)| sum + x * weight);
                }
            }
        }
        y
    }

    fn composite(&self, _: &[&TensorType]) -> Option<Expand> {
        Some(Expand::BeforeAutodiff)
    }

    /// A convolution's kernel is (height, width, in, out), and what it takes in is what this one gives: the kernel is
    /// the same as it stands.
    fn expand(&self, cx: &mut OpCx<'_>) -> NodeId {
        let ([x, kernel], shape) = ([cx.operands[0], cx.operands[1]], cx.ty(cx.node).shape);
        cx.add(Conv2dInputGrad::of(self.windows(), shape), &[x, kernel])
    }

    fn draw(draw: &mut dyn Draw) -> Option<Drawn<Self>> {
        let x = draw.images()?;
        let Dim::Fixed(c) = x.shape().0[3] else { return None };
        let [r, s, k] = [1 + draw.pick(3), 1 + draw.pick(3), draw.size()];
        let strides = [1 + draw.pick(3), 1 + draw.pick(2)];
        let (padding, output_padding) = ([0; 4].map(|_| draw.pick(2)), strides.map(|stride| draw.pick(stride)));
        let dilation = if draw.pick(4) == 1 { [0; 2].map(|_| 1 + draw.pick(3)) } else { [1, 1] };
        let kernel = draw.learned(Shape::fixed(&[r, s, k, c]));
        let bound = x.bound * kernel.bound * (r * s * c) as f64;
        Some(Drawn::of(Conv2dTranspose { strides, padding, output_padding, dilation }, [x, kernel]).within(bound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result on an image of these sizes (height, width, channels) and a kernel (height, width, out, in).
    fn transposed(op: &Conv2dTranspose, x: (&[usize], &[f64]), kernel: (&[usize], &[f64])) -> Tensor<f64> {
        let tensor = |(sizes, data): (&[usize], &[f64])| Tensor { shape: sizes.to_vec(), data: data.to_vec() };
        let (x, kernel) = (tensor((&[&[1], x.0].concat(), x.1)), tensor(kernel));
        let types = [&x, &kernel].map(|tensor| TensorType::f32(Shape::fixed(&tensor.shape)));
        let out = op.infer(&[&types[0], &types[1]]).unwrap().shape.sizes(None);
        op.eval(&[&x, &kernel], &out)
    }

    const PLAIN: Conv2dTranspose =
        Conv2dTranspose { strides: [1, 1], padding: [0; 4], output_padding: [0; 2], dilation: [1, 1] };

    /// A row of two pixels, 1 and 2, under the kernel 1, 10, 100.
    fn row(strides: usize, padding: [usize; 2], output_padding: usize, dilation: usize) -> Vec<f64> {
        let op = Conv2dTranspose {
            strides: [1, strides],
            padding: [0, 0, padding[0], padding[1]],
            output_padding: [0, output_padding],
            dilation: [1, dilation],
        };
        transposed(&op, (&[1, 2, 1], &[1.0, 2.0]), (&[1, 3, 1, 1], &[1.0, 10.0, 100.0])).data
    }

    #[test]
    fn pixels_spread_the_kernel() {
        assert_eq!(row(1, [0, 0], 0, 1), [1.0, 12.0, 120.0, 200.0]);
        assert_eq!(row(2, [0, 0], 0, 1), [1.0, 10.0, 102.0, 20.0, 200.0]);
        assert_eq!(row(4, [0, 0], 0, 1), [1.0, 10.0, 100.0, 0.0, 2.0, 20.0, 200.0]);
        assert_eq!(row(2, [1, 2], 0, 1), [10.0, 102.0]);
        // Two are cut off at the end, of which one is there again; and one that no pixel reaches.
        assert_eq!(row(2, [0, 2], 1, 1), [1.0, 10.0, 102.0, 20.0]);
        assert_eq!(row(2, [0, 0], 1, 1), [1.0, 10.0, 102.0, 20.0, 200.0, 0.0]);
        assert_eq!(row(1, [0, 0], 0, 2), [1.0, 2.0, 10.0, 20.0, 100.0, 200.0]);
        let square = transposed(
            &PLAIN,
            (&[2, 2, 1], &[1.0, 2.0, 3.0, 4.0]),
            (&[2, 2, 1, 1], &[1.0, 10.0, 100.0, 1000.0]),
        );
        assert_eq!(square.data, [1.0, 12.0, 20.0, 103.0, 1234.0, 2040.0, 300.0, 3400.0, 4000.0]);
    }

    /// Filter `k` is row `k` of the kernel's last two dimensions.
    #[test]
    fn filters_stand_before_channels() {
        let y = transposed(&PLAIN, (&[1, 1, 2], &[1.0, 3.0]), (&[1, 1, 3, 2], &[1.0, 10.0, 2.0, 20.0, 3.0, 30.0]));
        assert_eq!((y.shape, y.data), (vec![1, 1, 1, 3], vec![31.0, 62.0, 93.0]));
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let message = |op: Conv2dTranspose, x: &[usize], kernel: &[usize]| {
            let types = [Shape::batched(x), Shape::fixed(kernel)].map(TensorType::f32);
            crate::Op::from(op).infer(&[&types[0], &types[1]]).unwrap_err().to_string()
        };
        let text = message(PLAIN, &[4, 4, 3], &[2, 2, 3, 5]);
        assert!(text.contains("the kernel [2,2,3,5] expects 5 input channels, got 3"), "{text}");
        let text = message(Conv2dTranspose { output_padding: [0, 1], ..PLAIN }, &[4, 4, 3], &[2, 2, 5, 3]);
        assert!(text.contains("output_padding [0, 1] must be less than the strides [1, 1]"), "{text}");
        let text = message(Conv2dTranspose { padding: [2, 3, 0, 0], ..PLAIN }, &[4, 4, 3], &[2, 2, 5, 3]);
        assert!(text.contains("padding [2, 3, 0, 0] leaves nothing of 4x4 images under a 2x2 kernel"), "{text}");
        let text = message(Conv2dTranspose { strides: [0, 1], ..PLAIN }, &[4, 4, 3], &[2, 2, 5, 3]);
        assert!(text.contains("conv2d_transpose expects a `strides` greater than 0, got 0"), "{text}");
        assert!(message(PLAIN, &[4, 4], &[2, 2, 5, 3]).contains("expects f32 images of shape [N,h,w,c]"));
    }
}
