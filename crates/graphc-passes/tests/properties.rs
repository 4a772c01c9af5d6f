//! Every pass keeps the meaning of random graphs, forward and joint, and changes nothing when run again.

use graphc_autodiff::{AutodiffOptions, differentiate};
use graphc_interp::graph::{Evaluation, run};
use graphc_ir::graph::verify::verify;
use graphc_ir::graph::{Graph, Mode};
use graphc_ir::{Op, Tensor};
use graphc_passes::{PASSES, Pass};
use graphc_testing::approx::Approx;
use graphc_testing::{Specials, TestGraph, bindings, cases, layer_graphs, special_bindings, updates};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Largest difference that reordered sums may make, relative to the largest entry of a tensor.
const TOLERANCE: f64 = 1e-8;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(12, 48)))]

    #[test]
    fn passes_keep_the_meaning_of_training(mut test in layer_graphs(), seed: u64, updates in updates()) {
        updates.apply(&mut test.graph);
        check_passes(&test, Mode::Train, |graph| Some(bindings(graph, seed)));
    }

    #[test]
    fn passes_keep_the_meaning_of_inference(test in layer_graphs(), seed: u64) {
        check_passes(&test, Mode::Infer, |graph| Some(bindings(graph, seed)));
    }

    #[test]
    fn passes_hide_no_special_value(
        mut test in layer_graphs(), seed: u64, is_training: bool, updates in updates(),
    ) {
        updates.apply(&mut test.graph);
        let mode = if is_training { Mode::Train } else { Mode::Infer };
        check_passes(&test, mode, |graph| certain_specials(graph, seed));
    }
}

/// Numbers with NaN, infinities and zeros of both signs among them, if what they mean does not hang on rounding. In
/// inference no parameter is infinite: such a scale, folded into weights of both signs, makes NaN of an infinity.
fn certain_specials(graph: &Graph, seed: u64) -> Option<BTreeMap<String, Tensor<f32>>> {
    let tensors = special_bindings(graph, seed, Specials::Certain);
    let is_infinite = |id| tensors[&graph.node(id).name].data.iter().any(|value| value.is_infinite());
    let mut parameters = graph.ids().into_iter().filter(|&id| matches!(graph.op(id), Op::Parameter(_)));
    if graph.mode == Some(Mode::Infer) && parameters.any(is_infinite) {
        return None;
    }
    let (_, is_certain) = Approx::watch(|| {
        let approx = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.cast::<Approx>())).collect();
        run(graph, &approx).unwrap()
    });
    is_certain.then_some(tensors)
}

fn pass(name: &str) -> &'static Pass {
    PASSES.iter().find(|pass| pass.name == name).expect("a pass of that name")
}

/// Runs every pass on its own on the prepared graph, then all of them one after the other, and compares on `numbers`.
fn check_passes(test: &TestGraph, mode: Mode, numbers: impl Fn(&Graph) -> Option<BTreeMap<String, Tensor<f32>>>) {
    let mut graph = test.graph.clone();
    graph.mode = Some(mode);
    (pass("expand_before_autodiff").run)(&mut graph);
    let forward = graph.clone();
    if mode == Mode::Train {
        differentiate(&mut graph, &AutodiffOptions { gradient_outputs: true, update: true }).unwrap();
    }
    for start in [forward, graph] {
        let Some(tensors) = numbers(&start) else { continue };
        let tensors = tensors.into_iter().map(|(name, tensor)| (name, tensor.cast())).collect();
        let meaning = run(&start, &tensors).unwrap();
        let mut all = start.clone();
        for pass in PASSES {
            check_pass(pass, &mut start.clone(), &tensors, &meaning);
            check_pass(pass, &mut all, &tensors, &meaning);
        }
    }
}

fn check_pass(pass: &Pass, graph: &mut Graph, tensors: &BTreeMap<String, Tensor<f64>>, meaning: &Evaluation<f64>) {
    let before = graph.to_string();
    let report = (pass.run)(graph);
    let findings: Vec<String> = verify(graph).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}: {}\n{before}", pass.name, findings.join("\n"));
    let after = run(graph, tensors).unwrap();
    for (found, expected) in [(&after.outputs, &meaning.outputs), (&after.updates, &meaning.updates)] {
        assert_eq!(found.len(), expected.len());
        for ((name, found), (_, expected)) in found.iter().zip(expected) {
            let error = difference(found, expected);
            assert!(error <= TOLERANCE, "{} changes {name} by {error:e}: {report}\n{before}", pass.name);
        }
    }
    let again = (pass.run)(graph);
    assert!(again.is_unchanged(), "{} is not idempotent: {again}\n{before}", pass.name);
}

/// Largest difference relative to the largest finite entry, or absolute below 1. NaN equals NaN, an infinity itself.
fn difference(found: &Tensor<f64>, expected: &Tensor<f64>) -> f64 {
    assert_eq!(found.shape, expected.shape);
    let finite = expected.data.iter().filter(|x| x.is_finite());
    let largest = finite.fold(1.0f64, |largest, x| largest.max(x.abs()));
    let off = |(x, y): (&f64, &f64)| match (x - y).abs() / largest {
        _ if x == y || (x.is_nan() && y.is_nan()) => 0.0,
        error if error.is_nan() => f64::INFINITY,
        error => error,
    };
    found.data.iter().zip(&expected.data).map(off).fold(0.0, f64::max)
}
