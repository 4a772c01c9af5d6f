//! Layers that follow from other ops, against the formulas of Keras in plain `f64`: every engine and instruction set,
//! on batches of both layouts of lanes.

use crate::common::engines::{OTHER_ISAS, compare_isas, run_both};
use crate::common::meaning::compare_with_meaning;
use graphc_driver::{CompileOptions, compile};
use graphc_interp::graph::{Evaluation, run};
use graphc_ir::graph::NodeId;
use graphc_ir::graph::builder::{BuildResult, GraphBuilder, Loss};
use graphc_ir::initializers::Initializer;
use graphc_ir::layers::*;
use graphc_ir::ops::Mul;
use graphc_ir::{DType, Shape, Tensor};
use graphc_testing::bindings;
use std::collections::BTreeMap;

/// Parameters and inputs by name.
pub(crate) type Tensors = BTreeMap<String, Tensor<f64>>;

/// Batches whose lanes are neighbours along an axis, and samples.
const BATCHES: [usize; 4] = [1, 3, 16, 64];

/// Fails unless the layer gives what `formula` says of its input `x` of these sizes and the parameters `y.…`, and
/// gradients are the same on every engine. The layer reads an input times a parameter, which has a gradient, too.
pub(crate) fn check(
    sizes: &[usize],
    layer: impl Fn(&mut GraphBuilder, NodeId) -> BuildResult,
    formula: impl Fn(&Tensors) -> Tensor<f64>,
) {
    let mut net = GraphBuilder::new("net");
    let input = net.input("input", DType::F32, Shape::batched(sizes)).unwrap();
    let weight = net.parameter("x", "weight", sizes, Initializer::KERNEL, true).unwrap();
    let x = net.op("x", Mul {}, &[input, weight]).unwrap();
    let y = layer(&mut net, x).unwrap();
    let target = net.input("target", DType::F32, net.ty(y).shape.clone()).unwrap();
    net.loss(Loss::MeanSquaredError, y, target).unwrap();
    let graph = net.finish();
    for batch in BATCHES {
        let train = CompileOptions { gradients: true, update: false, ..CompileOptions::train(batch) };
        for options in [CompileOptions::infer(batch), train] {
            let compiled = compile(&graph, &options).unwrap();
            let tensors = bindings(&compiled.lowered.backward, 7);
            let (lowered, memory) = run_both(compiled, &tensors).unwrap();
            compare_isas(&graph, &options, &OTHER_ISAS, &tensors, &memory).unwrap();
            let mut exact: Tensors = tensors.iter().map(|(name, t)| (name.clone(), t.cast())).collect();
            let meaning: Evaluation<f64> = run(&lowered.backward, &exact).unwrap();
            assert_eq!(meaning.output("grad.x.weight").is_some(), options.gradients);
            compare_with_meaning(&lowered.program, &memory, &meaning, |_| 1e-4).unwrap();
            let (input, weight) = (&exact["input"], &exact["x.weight"]);
            let x = Tensor::from_fn(&input.shape, |index| input.at(index) * weight.at(&index[1..]));
            exact.insert("x".to_string(), x);
            agree(meaning.output("y").unwrap(), &formula(&exact));
        }
    }
}

fn agree(found: &Tensor<f64>, expected: &Tensor<f64>) {
    assert_eq!(found.shape, expected.shape);
    for (i, (found, expected)) in found.data.iter().zip(&expected.data).enumerate() {
        assert!((found - expected).abs() <= 1e-12 * (1.0 + expected.abs()), "[{i}] {found}, expected {expected}");
    }
}

/// `(x - mean) / sqrt(variance + epsilon)`, or without a mean; statistics are of elements that `group` calls the same.
fn normalized(x: &Tensor<f64>, epsilon: f64, has_mean: bool, group: impl Fn(&[usize]) -> Vec<usize>) -> Tensor<f64> {
    let mut members: BTreeMap<Vec<usize>, Vec<f64>> = BTreeMap::new();
    Tensor::from_fn(&x.shape, |index| {
        members.entry(group(index)).or_default().push(x.at(index));
        0.0
    });
    Tensor::from_fn(&x.shape, |index| {
        let members = &members[&group(index)];
        let mean_of = |f: &dyn Fn(f64) -> f64| members.iter().map(|&x| f(x)).sum::<f64>() / members.len() as f64;
        let mean = if has_mean { mean_of(&|x| x) } else { 0.0 };
        let mean_square = mean_of(&|x| (x - mean) * (x - mean));
        (x.at(index) - mean) / (mean_square + epsilon).sqrt()
    })
}

#[test]
fn layer_norm_is_that_of_keras() {
    check(
        &[5, 11],
        |net, x| net.layer_norm("y", x, &LayerNorm::default()),
        |t| {
            let y = normalized(&t["x"], 1e-3, true, |index| index[..2].to_vec());
            Tensor::from_fn(&y.shape, |i| y.at(i) * t["y.gamma"].at(&i[2..]) + t["y.beta"].at(&i[2..]))
        },
    );
    let layer = LayerNorm { axes: Some(vec![1, 3]), epsilon: 0.5, ..LayerNorm::default() };
    check(
        &[4, 5, 3],
        |net, x| net.layer_norm("y", x, &layer),
        |t| {
            let y = normalized(&t["x"], 0.5, true, |index| vec![index[0], index[2]]);
            let [gamma, beta] = [&t["y.gamma"], &t["y.beta"]];
            Tensor::from_fn(&y.shape, |i| y.at(i) * gamma.at(&[i[1], i[3]]) + beta.at(&[i[1], i[3]]))
        },
    );
    let layer = LayerNorm { center: false, scale: false, ..LayerNorm::default() };
    check(&[9], |net, x| net.layer_norm("y", x, &layer), |t| normalized(&t["x"], 1e-3, true, |i| vec![i[0]]));
}

#[test]
fn rms_norm_is_that_of_keras() {
    check(
        &[5, 11],
        |net, x| net.rms_norm("y", x, &RmsNorm::default()),
        |t| {
            let y = normalized(&t["x"], 1e-6, false, |index| index[..2].to_vec());
            Tensor::from_fn(&y.shape, |i| y.at(i) * t["y.scale"].at(&i[2..]))
        },
    );
    let layer = RmsNorm { axes: Some(vec![1, 2]), epsilon: 0.5 };
    check(
        &[4, 5, 3],
        |net, x| net.rms_norm("y", x, &layer),
        |t| {
            let y = normalized(&t["x"], 0.5, false, |index| vec![index[0], index[3]]);
            Tensor::from_fn(&y.shape, |i| y.at(i) * t["y.scale"].at(&[i[1], i[2]]))
        },
    );
}

#[test]
fn group_norm_is_that_of_keras() {
    for groups in [1, 3, 6] {
        let layer = GroupNorm { groups, ..GroupNorm::default() };
        check(
            &[4, 5, 6],
            |net, x| net.group_norm("y", x, &layer),
            |t| {
                let y = normalized(&t["x"], 1e-3, true, |index| vec![index[0], index[3] / (6 / groups)]);
                Tensor::from_fn(&y.shape, |i| y.at(i) * t["y.gamma"].at(&i[3..]) + t["y.beta"].at(&i[3..]))
            },
        );
    }
    check(
        &[64],
        |net, x| net.group_norm("y", x, &GroupNorm::default()),
        |t| {
            let y = normalized(&t["x"], 1e-3, true, |index| vec![index[0], index[1] / 2]);
            Tensor::from_fn(&y.shape, |i| y.at(i) * t["y.gamma"].at(&i[1..]) + t["y.beta"].at(&i[1..]))
        },
    );
    let layer = GroupNorm { groups: 2, epsilon: 0.5, center: false, scale: false };
    check(
        &[7, 4],
        |net, x| net.group_norm("y", x, &layer),
        |t| normalized(&t["x"], 0.5, true, |index| vec![index[0], index[2] / 2]),
    );
}

#[test]
fn global_pools_are_those_of_keras() {
    let pixels = |x: &Tensor<f64>, n: usize, c: usize| -> Vec<f64> {
        (0..20).map(|pixel| x.at(&[n, pixel / 5, pixel % 5, c])).collect()
    };
    for keep_dims in [false, true] {
        let shape = |n: usize| if keep_dims { vec![n, 1, 1, 3] } else { vec![n, 3] };
        check(
            &[4, 5, 3],
            |net, x| net.global_avg_pool2d("y", x, &GlobalAvgPool2d { keep_dims }),
            |t| {
                let mean = |i: &[usize]| pixels(&t["x"], i[0], i[i.len() - 1]).iter().sum::<f64>() / 20.0;
                Tensor::from_fn(&shape(t["x"].shape[0]), mean)
            },
        );
        check(
            &[4, 5, 3],
            |net, x| net.global_max_pool2d("y", x, &GlobalMaxPool2d { keep_dims }),
            |t| {
                let largest = |i: &[usize]| pixels(&t["x"], i[0], i[i.len() - 1]).into_iter().fold(-1e9, f64::max);
                Tensor::from_fn(&shape(t["x"].shape[0]), largest)
            },
        );
    }
}

#[test]
fn up_sampling_is_that_of_keras() {
    for size in [[2, 2], [1, 3], [3, 1]] {
        check(
            &[3, 5, 2],
            |net, x| net.up_sampling2d("y", x, &UpSampling2d { size, ..UpSampling2d::default() }),
            |t| {
                let shape = [t["x"].shape[0], 3 * size[0], 5 * size[1], 2];
                Tensor::from_fn(&shape, |i| t["x"].at(&[i[0], i[1] / size[0], i[2] / size[1], i[3]]))
            },
        );
    }
}

#[test]
fn bilinear_up_sampling_has_half_pixel_centres() {
    for size in [[2, 2], [1, 3], [4, 1]] {
        let layer = UpSampling2d { size, interpolation: Interpolation::Bilinear };
        check(
            &[3, 5, 2],
            |net, x| net.up_sampling2d("y", x, &layer),
            |t| {
                let x = &t["x"];
                // Nearest two coordinates, those at the edge in place of others, and the share of the second.
                let between = |i: usize, axis: usize| {
                    let at = (i as f64 + 0.5) / size[axis - 1] as f64 - 0.5;
                    let inside = |i: f64| (i.max(0.0) as usize).min(x.shape[axis] - 1);
                    (inside(at.floor()), inside(at.floor() + 1.0), at - at.floor())
                };
                Tensor::from_fn(&[x.shape[0], 3 * size[0], 5 * size[1], 2], |i| {
                    let ((top, bottom, down), (left, right, along)) = (between(i[1], 1), between(i[2], 2));
                    let pixel = |h: usize, w: usize| x.at(&[i[0], h, w, i[3]]);
                    let row = |h: usize| pixel(h, left) * (1.0 - along) + pixel(h, right) * along;
                    row(top) * (1.0 - down) + row(bottom) * down
                })
            },
        );
    }
}

#[test]
fn adaptive_pools_are_those_of_pytorch() {
    for output_size in [[3, 4], [2, 3], [5, 1], [7, 9]] {
        let layer = AdaptiveAvgPool2d { output_size };
        check(
            &[5, 6, 2],
            |net, x| net.adaptive_avg_pool2d("y", x, &layer),
            |t| {
                let x = &t["x"];
                let window = |i: usize, axis: usize| {
                    let (n, size) = (output_size[axis - 1], x.shape[axis]);
                    (i * size / n)..((i + 1) * size).div_ceil(n)
                };
                Tensor::from_fn(&[x.shape[0], output_size[0], output_size[1], 2], |i| {
                    let (rows, columns) = (window(i[1], 1), window(i[2], 2));
                    let count = (rows.len() * columns.len()) as f64;
                    let row = |h: usize| columns.clone().map(|w| x.at(&[i[0], h, w, i[3]])).sum::<f64>();
                    rows.map(row).sum::<f64>() / count
                })
            },
        );
    }
}

#[test]
fn means_count_padding_if_told() {
    let [pool, strides] = [[3, 2], [2, 1]];
    let layer = AvgPool2d { strides: Some(strides), padding: Padding::Explicit([1, 0, 1, 1]), ..AvgPool2d::new(pool) };
    let layer = AvgPool2d { count_include_pad: true, ..layer };
    check(
        &[6, 5, 2],
        |net, x| net.avg_pool2d("y", x, &layer),
        |t| {
            let x = &t["x"];
            Tensor::from_fn(&[x.shape[0], 3, 6, 2], |i| {
                let pixel = |h: usize, w: usize| {
                    let inside = (1..=6).contains(&h) && (1..=5).contains(&w);
                    if inside { x.at(&[i[0], h - 1, w - 1, i[3]]) } else { 0.0 }
                };
                let taps = (0..6).map(|tap| pixel(2 * i[1] + tap / 2, i[2] + tap % 2));
                taps.sum::<f64>() / 6.0
            })
        },
    );
}

#[test]
fn separable_convolutions_are_two() {
    let layer = SeparableConv2d { depth_multiplier: 2, strides: [2, 1], ..SeparableConv2d::new(4, [2, 3]) };
    check(
        &[5, 6, 3],
        |net, x| net.separable_conv2d("y", x, &layer),
        |t| {
            let [depthwise, pointwise] = ["depthwise_kernel", "pointwise_kernel"].map(|name| &t[&format!("y.{name}")]);
            Tensor::from_fn(&[t["x"].shape[0], 2, 4, 4], |i| {
                let pattern = |m: usize| {
                    let tap = |rs: usize| {
                        let (r, s) = (rs / 3, rs % 3);
                        t["x"].at(&[i[0], 2 * i[1] + r, i[2] + s, m / 2]) * depthwise.at(&[r, s, m / 2, m % 2])
                    };
                    (0..6).map(tap).sum::<f64>()
                };
                (0..6).map(|m| pattern(m) * pointwise.at(&[0, 0, m, i[3]])).sum::<f64>() + t["y.bias"].at(&i[3..])
            })
        },
    );
}

#[test]
fn instance_norm_is_of_one_channel() {
    check(
        &[4, 5, 3],
        |net, x| net.instance_norm("y", x, &InstanceNorm::default()),
        |t| {
            let y = normalized(&t["x"], 1e-3, true, |index| vec![index[0], index[3]]);
            Tensor::from_fn(&y.shape, |i| y.at(i) * t["y.gamma"].at(&i[3..]) + t["y.beta"].at(&i[3..]))
        },
    );
}

#[test]
fn pictures_are_padded_and_cropped() {
    let padding = ZeroPadding2d { padding: vec![1, 0, 2, 1] };
    check(
        &[3, 4, 2],
        |net, x| net.zero_padding2d("y", x, &padding),
        |t| {
            Tensor::from_fn(&[t["x"].shape[0], 4, 7, 2], |i| {
                let inside = (1..4).contains(&i[1]) && (2..6).contains(&i[2]);
                if inside { t["x"].at(&[i[0], i[1] - 1, i[2] - 2, i[3]]) } else { 0.0 }
            })
        },
    );
    let cropping = Cropping2d { cropping: vec![1, 2] };
    check(
        &[5, 7, 2],
        |net, x| net.cropping2d("y", x, &cropping),
        |t| Tensor::from_fn(&[t["x"].shape[0], 3, 3, 2], |i| t["x"].at(&[i[0], i[1] + 1, i[2] + 2, i[3]])),
    );
}
