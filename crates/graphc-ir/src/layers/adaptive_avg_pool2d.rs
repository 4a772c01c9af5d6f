//! `adaptive_avg_pool2d`: means of as many windows as one wants.

use super::context::LayerCx;
use super::rules::{LayerFields, LayerRules, layer_struct};
use crate::attrs::OpAttrs;
use crate::graph::NodeId;
use crate::graph::builder::BuildResult;
use crate::ops::facts::{MAPS, Usage};
use crate::ops::{AvgPool2d, Concat, ReduceMean, Slice};
use crate::types::TypeError;

layer_struct! {
    /// Means of windows of NHWC images, so many along height and width that the result has the size `output_size`:
    /// window `i` of `n` is from `floor(i * size / n)` to before `ceil((i + 1) * size / n)`, as in PyTorch's
    /// `AdaptiveAvgPool2d`. Where `n` does not divide the size, windows overlap.
    pub struct AdaptiveAvgPool2d as adaptive_avg_pool2d(x) {
        /// Height and width of the result.
        pub output_size: [usize; 2] where Positive = [1, 1],
    }
}

/// Most windows along an axis that they do not divide.
const MOST_WINDOWS: usize = 256;

/// Ends of window `i` of `n` along an axis.
fn window(i: usize, n: usize, size: usize) -> (usize, usize) {
    (i * size / n, ((i + 1) * size).div_ceil(n))
}

/// Means of `n` windows along an axis; the last node is the layer's result if `is_last`.
fn means(cx: &mut LayerCx<'_>, x: NodeId, axis: usize, n: usize, is_last: bool) -> BuildResult {
    let size = cx.fixed_dim(&cx.ty(x), axis, "the size")?;
    let which = ["rows", "columns"][axis - 1];
    let mut parts = Vec::new();
    for i in 0..n {
        let (start, end) = window(i, n, size);
        let part = cx.part(&format!("{which}{i}"), Slice::part(axis, start, end), &[x])?;
        let mean = ReduceMean { axes: vec![axis], keep_dims: true };
        parts.push(cx.part(&format!("{which}{i}_mean"), mean, &[part])?);
    }
    let joined = Concat { axis };
    if is_last { cx.add(joined, &parts) } else { cx.part(which, joined, &parts) }
}

impl LayerRules for AdaptiveAvgPool2d {
    const USAGE: Usage = Usage {
        purpose: "Brings pictures of any size to a given one in front of the dense layers.",
        node: "pooled",
        reads: &[MAPS],
        attributes: || AdaptiveAvgPool2d { output_size: [7, 7] }.attrs(),
        ..Usage::PLAIN
    };

    fn build(&self, cx: &mut LayerCx<'_>) -> BuildResult {
        let images = cx.inputs[0];
        let ([h, w, _], [rows, columns]) = (cx.image_sizes(Self::NAME, images)?, self.output_size);
        if h.is_multiple_of(rows) && w.is_multiple_of(columns) {
            let pool = [h / rows, w / columns];
            return cx.add(AvgPool2d { pool, strides: pool, padding: [0; 4] }, &[images]);
        }
        if rows.max(columns) > MOST_WINDOWS {
            let expected = format!("that divides {h}x{w}, or of at most {MOST_WINDOWS}");
            let found = format!("{:?}", self.output_size);
            let message = format!("{} expects an `output_size` {expected}, got {found}", Self::NAME);
            return cx.fail(TypeError::new(message));
        }
        // A window's mean is that of the means of its rows, which are of one length.
        let means_of_rows = means(cx, images, 1, rows, false)?;
        means(cx, means_of_rows, 2, columns, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PyTorch's `adaptive_avg_pool2d` takes together.
    #[test]
    fn windows_are_those_of_pytorch() {
        let windows = |n: usize, size: usize| (0..n).map(|i| window(i, n, size)).collect::<Vec<_>>();
        assert_eq!(windows(3, 7), [(0, 3), (2, 5), (4, 7)]);
        assert_eq!(windows(2, 5), [(0, 3), (2, 5)]);
        assert_eq!(windows(3, 2), [(0, 1), (0, 2), (1, 2)]);
        assert_eq!(windows(1, 4), [(0, 4)]);
    }
}
