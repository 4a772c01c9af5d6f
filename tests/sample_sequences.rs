//! Layers of sequences against the formulas of Keras, as `sample_layers` does it.

use crate::sample_layers::{Tensors, check};
use graphc_ir::Tensor;
use graphc_ir::layers::*;

/// The number at a step that may lie outside of the sequence, where there is none.
fn step(x: &Tensor<f64>, n: usize, t: i64, c: usize) -> Option<f64> {
    let t = usize::try_from(t).ok().filter(|&t| t < x.shape[1])?;
    Some(x.at(&[n, t, c]))
}

/// How many steps a window begins before the sequence, and how many results there are.
fn first(padding: Padding1d, size: usize, span: usize, stride: usize) -> (i64, usize) {
    match padding {
        Padding1d::Valid => (0, (size - span) / stride + 1),
        Padding1d::Causal => (span as i64 - 1, (size - 1) / stride + 1),
        Padding1d::Same => {
            let n = size.div_ceil(stride);
            (((n - 1) * stride + span).saturating_sub(size) as i64 / 2, n)
        }
    }
}

const PADDINGS: [Padding1d; 3] = [Padding1d::Valid, Padding1d::Same, Padding1d::Causal];

#[test]
fn convolutions_are_those_of_keras() {
    for (padding, strides, dilation) in PADDINGS.into_iter().flat_map(|padding| [(padding, 1, 2), (padding, 2, 1)]) {
        let layer = Conv1d { padding, strides, dilation, groups: 2, ..Conv1d::new(6, 3) };
        let (before, n) = first(padding, 9, 2 * dilation + 1, strides);
        let formula = |t: &Tensors| {
            Tensor::from_fn(&[t["x"].shape[0], n, 6], |i| {
                let term = |tap: usize| {
                    let (k, c) = (tap / 2, tap % 2);
                    let at = (i[1] * strides + k * dilation) as i64 - before;
                    let x = step(&t["x"], i[0], at, 2 * (i[2] / 3) + c).unwrap_or(0.0);
                    x * t["y.kernel"].at(&[k, c, i[2]])
                };
                (0..6).map(term).sum::<f64>() + t["y.bias"].at(&i[2..])
            })
        };
        check(&[9, 4], |net, x| net.conv1d("y", x, &layer), formula);
    }
}

#[test]
fn depthwise_and_separable_convolutions_are_those_of_keras() {
    let patterns = |t: &Tensors, kernel: &str, i: [usize; 3]| {
        let term = |k: usize| {
            let x = step(&t["x"], i[0], (i[1] + k) as i64 - 2, i[2] / 2).unwrap_or(0.0);
            x * t[kernel].at(&[k, i[2] / 2, i[2] % 2])
        };
        (0..3).map(term).sum::<f64>()
    };
    let (padding, depth_multiplier) = (Padding1d::Causal, 2);
    let layer = DepthwiseConv1d { padding, depth_multiplier, ..DepthwiseConv1d::new(3) };
    check(
        &[7, 3],
        |net, x| net.depthwise_conv1d("y", x, &layer),
        |t| {
            let value = |i: &[usize]| patterns(t, "y.kernel", [i[0], i[1], i[2]]) + t["y.bias"].at(&i[2..]);
            Tensor::from_fn(&[t["x"].shape[0], 7, 6], value)
        },
    );
    let layer = SeparableConv1d { padding, depth_multiplier, ..SeparableConv1d::new(4, 3) };
    check(
        &[7, 3],
        |net, x| net.separable_conv1d("y", x, &layer),
        |t| {
            Tensor::from_fn(&[t["x"].shape[0], 7, 4], |i| {
                let pattern = |m: usize| patterns(t, "y.depthwise_kernel", [i[0], i[1], m]);
                let mixed = (0..6).map(|m| pattern(m) * t["y.pointwise_kernel"].at(&[0, m, i[2]])).sum::<f64>();
                mixed + t["y.bias"].at(&i[2..])
            })
        },
    );
}

#[test]
fn transposed_convolutions_are_those_of_keras() {
    // Steps of the result, and how many are cut off before it.
    for (padding, n, cut) in [(Padding1d::Valid, 11, 0), (Padding1d::Same, 10, 0)] {
        let layer = Conv1dTranspose { padding, strides: 2, ..Conv1dTranspose::new(3, 3) };
        check(
            &[5, 2],
            |net, x| net.conv1d_transpose("y", x, &layer),
            |t| {
                Tensor::from_fn(&[t["x"].shape[0], n, 3], |i| {
                    let term = |tap: usize| {
                        let (p, k, c) = (tap / 6, tap / 2 % 3, tap % 2);
                        let meets = 2 * p + k == i[1] + cut;
                        if meets { t["x"].at(&[i[0], p, c]) * t["y.kernel"].at(&[k, i[2], c]) } else { 0.0 }
                    };
                    (0..30).map(term).sum::<f64>() + t["y.bias"].at(&i[2..])
                })
            },
        );
    }
}

#[test]
fn pools_are_those_of_keras() {
    for padding in PADDINGS {
        let (before, n) = first(padding, 8, 3, 2);
        let window = |t: &Tensors, i: &[usize]| -> Vec<f64> {
            (0..3).filter_map(|k| step(&t["x"], i[0], (2 * i[1] + k) as i64 - before, i[2])).collect()
        };
        let (pool, strides) = (3, Some(2));
        check(
            &[8, 2],
            |net, x| net.avg_pool1d("y", x, &AvgPool1d { pool, strides, padding }),
            |t| {
                let mean = |i: &[usize]| window(t, i).iter().sum::<f64>() / window(t, i).len() as f64;
                Tensor::from_fn(&[t["x"].shape[0], n, 2], mean)
            },
        );
        check(
            &[8, 2],
            |net, x| net.max_pool1d("y", x, &MaxPool1d { pool, strides, padding }),
            |t| Tensor::from_fn(&[t["x"].shape[0], n, 2], |i| window(t, i).into_iter().fold(-1e9, f64::max)),
        );
    }
}

#[test]
fn whole_sequences_and_copies_of_steps() {
    let steps = |t: &Tensors, i: &[usize]| -> Vec<f64> { (0..6).map(|s| t["x"].at(&[i[0], s, i[1]])).collect() };
    check(
        &[6, 3],
        |net, x| net.global_avg_pool1d("y", x, &GlobalAvgPool1d::default()),
        |t| Tensor::from_fn(&[t["x"].shape[0], 3], |i| steps(t, i).iter().sum::<f64>() / 6.0),
    );
    check(
        &[6, 3],
        |net, x| net.global_max_pool1d("y", x, &GlobalMaxPool1d::default()),
        |t| Tensor::from_fn(&[t["x"].shape[0], 3], |i| steps(t, i).into_iter().fold(-1e9, f64::max)),
    );
    check(
        &[4, 3],
        |net, x| net.up_sampling1d("y", x, &UpSampling1d { size: 3 }),
        |t| Tensor::from_fn(&[t["x"].shape[0], 12, 3], |i| t["x"].at(&[i[0], i[1] / 3, i[2]])),
    );
}
