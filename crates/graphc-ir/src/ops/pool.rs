//! What pooling ops share: the windows, their shape rule and index maps.

use super::convolution::output_size;
use super::draw::{Draw, Operand};
use super::facts::Domain;
use crate::compute::{LoadIndex, ScalarExpr, build};
use crate::index::{Affine, Var};
use crate::scalar::{BinaryOp, UnaryOp};
use crate::types::{DType, Dim, Shape, TensorType, TypeError};

/// Windows of `pool` pixels at every `strides` pixels, the first one `padding` outside.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) pool: [usize; 2],
    pub(super) strides: [usize; 2],
    pub(super) padding: [usize; 4],
}

/// A pixel of a window that lies inside the image.
pub(super) struct Tap {
    /// `r * pool_w + s`.
    pub(super) position: usize,
    pub(super) h: usize,
    pub(super) w: usize,
}

impl Window {
    /// Type of the pooled image.
    pub(super) fn infer(&self, name: &str, x: &TensorType) -> Result<TensorType, TypeError> {
        if x.dtype != DType::F32 || x.rank() != 4 || x.shape.batch_axis().is_some_and(|axis| axis != 0) {
            return Err(TypeError::operand(0, format!("{name} expects f32 images of shape [N,h,w,c], got {x}")));
        }
        if self.pool.contains(&0) || self.strides.contains(&0) {
            return Err(TypeError::new(format!(
                "pool and strides must be at least 1, got pool {:?} and strides {:?}",
                self.pool, self.strides
            )));
        }
        let [top, bottom, left, right] = self.padding;
        if top.max(bottom) >= self.pool[0] || left.max(right) >= self.pool[1] {
            return Err(TypeError::new(format!(
                "padding {:?} (top, bottom, left, right) must be smaller than the pool {:?}, or a window would lie \
                 outside the image",
                self.padding, self.pool
            )));
        }
        let [h, w] = [x.fixed_dim(1, "the height")?, x.fixed_dim(2, "the width")?];
        let p = output_size(h, self.pool[0], self.strides[0], top + bottom).filter(|_| h > 0);
        let q = output_size(w, self.pool[1], self.strides[1], left + right).filter(|_| w > 0);
        match (p, q) {
            (Some(p), Some(q)) => Ok(TensorType::f32(Shape(vec![x.shape.0[0], p.into(), q.into(), x.shape.0[3]]))),
            _ => Err(TypeError::operand(
                0,
                format!(
                    "a pool of {}x{} with padding {:?} does not fit into an image of {h}x{w}",
                    self.pool[0], self.pool[1], self.padding
                ),
            )),
        }
    }

    /// Windows that overlap or leave gaps, padded half of the time, and images.
    pub(super) fn draw(draw: &mut dyn Draw) -> Option<(Window, Operand)> {
        let x = draw.images()?;
        let [pool, strides] = [0; 2].map(|_| [1 + draw.pick(3), 1 + draw.pick(3)]);
        let mut padding = [0; 4];
        if draw.flag() {
            // Less than the window, so that no window lies in the padding alone.
            padding = [pool[0], pool[0], pool[1], pool[1]].map(|size| draw.pick(size));
        }
        Some((Window { pool, strides, padding }, x))
    }

    /// What a position in a window may be.
    pub(super) fn positions(&self) -> Domain {
        Domain::Below(self.pool[0] * self.pool[1])
    }

    /// The pixels of window `p, q` in an image of size `image`, row by row.
    pub(super) fn taps(&self, p: usize, q: usize, image: [usize; 2]) -> Vec<Tap> {
        let [top, _, left, _] = self.padding;
        let inside = |at: usize, padding: usize, size: usize| at.checked_sub(padding).filter(|&i| i < size);
        let mut taps = Vec::new();
        for r in 0..self.pool[0] {
            let Some(h) = inside(p * self.strides[0] + r, top, image[0]) else { continue };
            for s in 0..self.pool[1] {
                let Some(w) = inside(q * self.strides[1] + s, left, image[1]) else { continue };
                taps.push(Tap { position: r * self.pool[1] + s, h, w });
            }
        }
        taps
    }

    /// Extents of the reductions `r s`.
    pub(super) fn reds(&self) -> [Dim; 2] {
        self.pool.map(Dim::Fixed)
    }

    /// First row (`direction` 0) or column (1) of window `i`.
    pub(super) fn start(&self, i: &Affine, direction: usize) -> Affine {
        i.times(self.strides[direction] as i64).plus_constant(-(self.padding[2 * direction] as i64))
    }

    /// Index of the image at axes `n p q c` and reductions `r s`.
    pub(super) fn image_index(&self) -> Vec<LoadIndex> {
        let [n, p, q, c, r, s] = [0, 1, 2, 3, 4, 5].map(|var| Affine::var(Var(var)));
        [n, self.start(&p, 0).plus(&r), self.start(&q, 1).plus(&s), c].map(LoadIndex::from).to_vec()
    }

    /// Index of the pooled image at axes `n h w c` and reductions `r s`: the window whose tap `r, s`
    /// is pixel `h, w`.
    pub(super) fn pooled_index(&self) -> Vec<LoadIndex> {
        let [n, h, w, c, r, s] = [0, 1, 2, 3, 4, 5].map(|var| Affine::var(Var(var)));
        let window = |pixel: Affine, tap: Affine, direction: usize| LoadIndex {
            value: pixel.plus_constant(self.padding[2 * direction] as i64).add_scaled(&tap, -1),
            exact: self.strides[direction] as i64,
        };
        vec![n.into(), window(h, r, 0), window(w, s, 1), c.into()]
    }

    /// Number of pixels in every window if nothing is padded.
    pub(super) fn unpadded_count(&self) -> Option<f64> {
        (self.padding == [0; 4]).then_some((self.pool[0] * self.pool[1]) as f64)
    }

    /// Number of pixels inside an image of shape `images`, of the window that starts at `starts`.
    pub(super) fn count(&self, starts: [Affine; 2], images: &Shape) -> ScalarExpr {
        let [rows, columns] = [0, 1].map(|direction| {
            let Dim::Fixed(size) = images.0[1 + direction] else { unreachable!("the batch is the first dimension") };
            let number = |index: Affine| build::unary(UnaryOp::ToF32, ScalarExpr::Index(index));
            let end = number(starts[direction].plus_constant(self.pool[direction] as i64));
            let end = build::binary(BinaryOp::Min, end, ScalarExpr::Const(size as f64));
            let start = build::binary(BinaryOp::Max, number(starts[direction].clone()), ScalarExpr::Const(0.0));
            build::binary(BinaryOp::Sub, end, start)
        });
        build::binary(BinaryOp::Mul, rows, columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accepted_window_touches_the_image() {
        for (size, pool, stride, before, after) in [(1, 2, 1, 1, 1), (5, 3, 4, 2, 2), (2, 4, 3, 3, 3), (7, 2, 5, 1, 0)]
        {
            let window = Window { pool: [pool; 2], strides: [stride; 2], padding: [before, after, before, after] };
            let images = TensorType::f32(Shape::batched(&[size, size, 1]));
            let pooled = window.infer("pool", &images).unwrap().shape.sizes(Some(1));
            for p in 0..pooled[1] {
                assert!(!window.taps(p, p, [size; 2]).is_empty(), "size {size}, window {p}");
            }
        }
    }
}
