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
type Tensors = BTreeMap<String, Tensor<f64>>;

/// Batches whose lanes are neighbours along an axis, and samples.
const BATCHES: [usize; 4] = [1, 3, 16, 64];

/// Fails unless the layer gives what `formula` says of its input `x` of these sizes and the parameters `y.…`, and
/// gradients are the same on every engine. The layer reads an input times a parameter, which has a gradient, too.
fn check(
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
            |net, x| net.up_sampling2d("y", x, &UpSampling2d { size }),
            |t| {
                let shape = [t["x"].shape[0], 3 * size[0], 5 * size[1], 2];
                Tensor::from_fn(&shape, |i| t["x"].at(&[i[0], i[1] / size[0], i[2] / size[1], i[3]]))
            },
        );
    }
}
