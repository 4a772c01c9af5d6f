//! What `conv2d` and its gradients share: where the taps of a window lie, and which channels a filter reads.
//!
//! Channels and filters are dealt to `groups` in order. With `C` channels and `F` filters in a group, the kernel has
//! shape `[r, s, C, groups * F]`, and filter `k` reads channels `C * (k / F)` to `C * (k / F) + C - 1`. A depthwise
//! convolution has a channel in each group: filter `k` reads channel `k / F`, and there is nothing to divide if `F`
//! is 1, too.

use super::Algorithm;
use super::draw::{Draw, Operand};
use crate::compute::LoadIndex;
use crate::index::Affine;
use crate::types::{DType, Dim, Shape, TensorType, TypeError};
use std::ops::Range;

/// The windows of a convolution, and how it is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Steps along h and w.
    pub strides: [usize; 2],
    /// Zeros added at the top, bottom, left and right.
    pub padding: [usize; 4],
    /// Pixels from one tap of a window to the next, along h and w.
    pub dilation: [usize; 2],
    /// Groups of channels, each with filters of its own.
    pub groups: usize,
    /// How it is computed.
    pub algorithm: Algorithm,
}

/// Groups of a kernel.
#[derive(Clone, Copy)]
pub(super) struct Groups {
    n_groups: usize,
    /// Input channels of a group.
    pub(super) n_channels: usize,
    /// Filters of a group.
    pub(super) n_filters: usize,
}

impl Windows {
    /// Windows without gaps, over all channels.
    pub fn new(strides: [usize; 2], padding: [usize; 4]) -> Windows {
        Windows { strides, padding, dilation: [1, 1], groups: 1, algorithm: Algorithm::Direct }
    }

    /// Pixels from the first tap of a window to its last, both included.
    pub fn span(kernel: [usize; 2], dilation: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|i| kernel[i].saturating_sub(1).saturating_mul(dilation[i]).saturating_add(kernel[i].min(1)))
    }

    /// Type of the convolved images.
    pub(super) fn infer(&self, x: &TensorType, w: &TensorType) -> Result<TensorType, TypeError> {
        if x.dtype != DType::F32 || x.rank() != 4 || x.shape.batch_axis().is_some_and(|axis| axis != 0) {
            return Err(TypeError::operand(0, format!("conv2d expects f32 images of shape [N,h,w,c], got {x}")));
        }
        if w.dtype != DType::F32 || w.rank() != 4 || w.shape.batch_axis().is_some() {
            return Err(TypeError::operand(1, format!("conv2d expects an f32 kernel of shape [r,s,c,k], got {w}")));
        }
        let [h, wd] = [1, 2].map(|axis| x.shape.0[axis]).map(fixed);
        let [r, s, _, k] = [0, 1, 2, 3].map(|axis| w.shape.0[axis]).map(fixed);
        self.check_channels(x, w)?;
        if self.dilation.contains(&0) {
            return Err(TypeError::new(format!("dilation must be at least 1, got {:?}", self.dilation)));
        }
        if let (Some(_), Some(misfit)) = (self.algorithm.tile(), self.misfit(&w.shape.sizes(None))) {
            return Err(TypeError::new(misfit));
        }
        let [top, bottom, left, right] = self.padding;
        let span = Windows::span([r, s], self.dilation);
        let p = output_size(h, span[0], self.strides[0], top + bottom);
        let q = output_size(wd, span[1], self.strides[1], left + right);
        match (p, q) {
            (Some(p), Some(q)) => Ok(TensorType::f32(Shape(vec![x.shape.0[0], p.into(), q.into(), k.into()]))),
            _ => Err(TypeError::operand(
                0,
                format!(
                    "a {r}x{s} kernel with strides {:?}{} and padding {:?} does not fit into an image of {h}x{wd}",
                    self.strides,
                    if self.dilation == [1, 1] { String::new() } else { format!(", dilation {:?}", self.dilation) },
                    self.padding
                ),
            )),
        }
    }

    /// Windows, images and a kernel: of 1 to 3 taps, with odd strides and paddings, sometimes in groups, depthwise, or
    /// with gaps.
    pub(super) fn draw(draw: &mut dyn Draw) -> Option<(Windows, Operand, Operand)> {
        let x = draw.images()?;
        let c = fixed(x.shape().0[3]);
        let [r, s, mut k] = [1 + draw.pick(3), 1 + draw.pick(3), draw.size()];
        let strides = [1 + draw.pick(3), 1 + draw.pick(2)];
        let mut windows = Windows::new(strides, [0; 4].map(|_| draw.pick(3)));
        if draw.pick(4) == 1 {
            windows.dilation = [0; 2].map(|_| 1 + draw.pick(3));
        }
        if draw.pick(4) == 1 {
            windows = Windows { strides: [1, 1], dilation: [1, 1], ..windows };
            windows.algorithm = [Algorithm::Winograd2x2, Algorithm::Winograd4x4][draw.pick(2)];
            let kernel = draw.learned(Shape::fixed(&[3, 3, c, k]));
            return Some((windows, x, kernel));
        }
        let divisors: Vec<usize> = (2..=c).filter(|&groups| c.is_multiple_of(groups)).collect();
        if !divisors.is_empty() && draw.flag() {
            // The last divisor makes it depthwise; a filter or two, or three, in each group.
            windows.groups = divisors[draw.pick(divisors.len())];
            k = windows.groups * (1 + draw.pick(3));
        }
        let kernel = draw.learned(Shape::fixed(&[r, s, c / windows.groups, k]));
        Some((windows, x, kernel))
    }

    /// Whether the kernel reads the channels that the images have.
    fn check_channels(&self, x: &TensorType, w: &TensorType) -> Result<(), TypeError> {
        let (c, [kc, k]) = (fixed(x.shape.0[3]), [2, 3].map(|axis| fixed(w.shape.0[axis])));
        if self.groups == 0 || !k.is_multiple_of(self.groups) {
            return Err(TypeError::operand(
                1,
                format!("{k} filters cannot be dealt to {} groups (kernel {})", self.groups, w.shape),
            ));
        }
        if kc.checked_mul(self.groups) == Some(c) {
            return Ok(());
        }
        let each = if self.groups == 1 { String::new() } else { format!(" in each of {} groups", self.groups) };
        Err(TypeError::operand(
            0,
            format!("the kernel {} expects {kc} input channels{each}, got {c} (input {})", w.shape, x.shape),
        ))
    }

    /// The pixel along h (`direction` 0) or w (1) that tap `tap` of window `window` reads, if it lies inside an image
    /// of `size`.
    #[inline(always)]
    pub(super) fn pixel(&self, direction: usize, window: usize, tap: usize, size: usize) -> Option<usize> {
        let at = window * self.strides[direction] + tap * self.dilation[direction];
        at.checked_sub(self.padding[2 * direction]).filter(|&pixel| pixel < size)
    }

    /// The same as an index.
    pub(super) fn pixel_index(&self, direction: usize, window: &Affine, tap: &Affine) -> Affine {
        let start = window.times(self.strides[direction] as i64).plus_constant(-(self.padding[2 * direction] as i64));
        start.add_scaled(tap, self.dilation[direction] as i64)
    }

    /// The window of which tap `tap` is the pixel, if there is one.
    pub(super) fn window_index(&self, direction: usize, pixel: &Affine, tap: &Affine) -> LoadIndex {
        let end = pixel.plus_constant(self.padding[2 * direction] as i64);
        let value = end.add_scaled(tap, -(self.dilation[direction] as i64));
        LoadIndex { value, exact: self.strides[direction] as i64 }
    }

    /// The taps `[r, s]` of a kernel of shape `[r, s, ..]`, row by row.
    #[inline(always)]
    pub(super) fn taps(&self, kernel: &[usize]) -> impl Iterator<Item = [usize; 2]> + use<> {
        let [rows, columns] = [kernel[0], kernel[1]];
        (0..rows).flat_map(move |r| (0..columns).map(move |s| [r, s]))
    }

    /// Image and window `n, p, q` of a row of a tensor of shape `[n, p, q, ..]`.
    #[inline(always)]
    pub(super) fn window_of_row(row: usize, shape: &[usize]) -> [usize; 3] {
        [row / shape[2] / shape[1], row / shape[2] % shape[1], row % shape[2]]
    }

    /// The groups of a kernel of shape `[r, s, c, k]`.
    pub(super) fn groups(&self, kernel: &[usize]) -> Groups {
        Groups { n_groups: self.groups, n_channels: kernel[2], n_filters: kernel[3] / self.groups }
    }
}

impl Groups {
    /// The groups of a kernel of that type.
    pub(super) fn of(windows: &Windows, kernel: &TensorType) -> Groups {
        windows.groups(&kernel.shape.sizes(None))
    }

    /// The first channel and the filters of each group.
    #[inline(always)]
    pub(super) fn each(self) -> impl Iterator<Item = (usize, Range<usize>)> {
        (0..self.n_groups).map(move |g| (g * self.n_channels, g * self.n_filters..(g + 1) * self.n_filters))
    }

    /// The channel that filter `filter` reads as the `channel`-th of its group.
    pub(super) fn channel_index(&self, filter: &Affine, channel: &Affine) -> Affine {
        place(&self.group(filter, self.n_filters), self.n_channels, channel)
    }

    /// The filter that is the `filter`-th of those that read `channel`.
    pub(super) fn filter_index(&self, channel: &Affine, filter: &Affine) -> Affine {
        place(&self.group(channel, self.n_channels), self.n_filters, filter)
    }

    /// Which of the channels of its group a channel is.
    pub(super) fn channel_in_group(&self, channel: &Affine) -> Affine {
        if self.n_groups == 1 { channel.clone() } else { channel.modulo(self.n_channels as i64) }
    }

    /// The group of something of which each group has `size`.
    fn group(&self, index: &Affine, size: usize) -> Affine {
        if self.n_groups == 1 { Affine::constant(0) } else { index.div(size as i64) }
    }
}

/// Number `member` of a group, each of which has `size`.
fn place(group: &Affine, size: usize, member: &Affine) -> Affine {
    match (group.as_constant(), size) {
        (None, 1) => group.clone(),
        _ => group.times(size as i64).plus(member),
    }
}

/// Output size along one direction of windows of `span` pixels, or none if there is none.
pub(super) fn output_size(size: usize, span: usize, stride: usize, padding: usize) -> Option<usize> {
    if stride == 0 || span == 0 {
        return None;
    }
    Some(size.checked_add(padding)?.checked_sub(span)? / stride + 1)
}

/// Size of a dimension that is known not to be the batch.
pub(super) fn fixed(dim: Dim) -> usize {
    match dim {
        Dim::Fixed(size) => size,
        Dim::Batch => unreachable!("at most one batch dimension, and it is first"),
    }
}
