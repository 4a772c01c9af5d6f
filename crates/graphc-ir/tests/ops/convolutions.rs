//! Groups and dilation, said in other words: a grouped convolution is one convolution for each group, and a kernel
//! with gaps is a larger kernel with zeros in the gaps. Winograd's convolutions are the direct ones.

use crate::cases::{b, f};
use graphc_ir::Tensor;
use graphc_ir::ops::{Algorithm, Conv2d, Conv2dInputGrad, Conv2dKernelGrad, OpRules, Windows};
use graphc_ir::types::Shape;

/// Numbers without a pattern, exact in sums.
fn numbers(sizes: &[usize], seed: usize) -> Tensor<f64> {
    let strides = [31, 7, 3, 11];
    Tensor::from_fn(sizes, |index| {
        let sum: usize = index.iter().zip(strides).map(|(i, stride)| i * stride).sum();
        ((sum + seed) * 17 % 23) as f64 - 11.0
    })
}

fn convolved(windows: Windows, x: &Tensor<f64>, w: &Tensor<f64>) -> Tensor<f64> {
    let conv = Conv2d::of(windows);
    let out = conv.infer(&[&b(&x.shape[1..]), &f(&w.shape)]).unwrap().shape.sizes(Some(x.shape[0]));
    conv.eval(&[x, w], &out)
}

#[test]
fn groups_are_convolutions_of_their_channels() {
    let (strides, padding) = ([1, 2], [1, 0, 2, 1]);
    for (groups, n_channels, n_filters) in [(4, 1, 1), (4, 1, 2), (2, 2, 3), (1, 4, 5)] {
        let x = numbers(&[2, 5, 6, groups * n_channels], 1);
        let w = numbers(&[3, 2, n_channels, groups * n_filters], 5);
        let whole = convolved(Windows { groups, ..Windows::new(strides, padding) }, &x, &w);
        for group in 0..groups {
            let channels =
                Tensor::from_fn(&[2, 5, 6, n_channels], |i| x.at(&[i[0], i[1], i[2], group * n_channels + i[3]]));
            let filters = Tensor::from_fn(&[3, 2, n_channels, n_filters], |i| {
                w.at(&[i[0], i[1], i[2], group * n_filters + i[3]])
            });
            let part = convolved(Windows::new(strides, padding), &channels, &filters);
            let found = Tensor::from_fn(&part.shape, |i| whole.at(&[i[0], i[1], i[2], group * n_filters + i[3]]));
            assert_eq!(found, part, "group {group} of {groups}");
        }
    }
}

#[test]
fn a_gap_is_a_tap_of_zero() {
    for (dilation, strides, padding) in
        [([2, 3], [1, 1], [0; 4]), ([3, 1], [2, 3], [2, 1, 1, 0]), ([2, 2], [2, 2], [3; 4])]
    {
        let (x, w) = (numbers(&[2, 8, 9, 2], 3), numbers(&[3, 2, 2, 3], 2));
        let [r, s] = Windows::span([3, 2], dilation);
        let spread = Tensor::from_fn(&[r, s, 2, 3], |i| match [i[0] % dilation[0], i[1] % dilation[1]] {
            [0, 0] => w.at(&[i[0] / dilation[0], i[1] / dilation[1], i[2], i[3]]),
            _ => 0.0,
        });
        let with_gaps = convolved(Windows { dilation, ..Windows::new(strides, padding) }, &x, &w);
        assert_eq!(with_gaps, convolved(Windows::new(strides, padding), &x, &spread), "{dilation:?}, {strides:?}");
    }
}

/// Tiles within images and beyond them, with every padding there may be.
#[test]
fn tiles_give_the_direct_results() {
    let direct = |padding| Windows::new([1, 1], padding);
    for (sizes, padding) in [([8, 8], [1; 4]), ([7, 5], [0; 4]), ([3, 9], [2, 1, 0, 2]), ([1, 2], [1, 2, 2, 0])] {
        let (x, w) = (numbers(&[2, sizes[0], sizes[1], 3], 3), numbers(&[3, 3, 3, 2], 2));
        let y = convolved(direct(padding), &x, &w);
        let dy = numbers(&y.shape, 7);
        let results = |windows: Windows| {
            let dx = Conv2dInputGrad::of(windows, Shape::fixed(&x.shape)).eval(&[&dy, &w], &x.shape);
            let dw = Conv2dKernelGrad::of(windows, Shape::fixed(&w.shape)).eval(&[&x, &dy], &w.shape);
            [convolved(windows, &x, &w), dx, dw]
        };
        let expected = results(direct(padding));
        for algorithm in [Algorithm::Winograd2x2, Algorithm::Winograd4x4] {
            let found = results(Windows { algorithm, ..direct(padding) });
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.shape, expected.shape);
                let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9;
                assert!(found.data.iter().zip(&expected.data).all(close), "{algorithm:?}, {sizes:?}, {padding:?}");
            }
        }
    }
}

#[test]
fn channels_that_cannot_be_dealt_out_are_told() {
    let message = |groups: usize, x: &[usize], w: &[usize]| {
        let windows = Windows { groups, ..Windows::new([1, 1], [0; 4]) };
        Conv2d::of(windows).infer(&[&b(x), &f(w)]).unwrap_err().to_string()
    };
    let text = message(4, &[5, 5, 8], &[3, 3, 2, 6]);
    assert!(text.contains("6 filters cannot be dealt to 4 groups (kernel [3,3,2,6])"), "{text}");
    let text = message(2, &[5, 5, 8], &[3, 3, 2, 6]);
    assert!(text.contains("expects 2 input channels in each of 2 groups, got 8"), "{text}");
    let text = message(0, &[5, 5, 8], &[3, 3, 2, 6]);
    assert!(text.contains("cannot be dealt to 0 groups"), "{text}");
}
