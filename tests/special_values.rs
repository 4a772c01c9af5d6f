//! Random graphs on NaN, infinities, zeros of both signs, subnormal and huge numbers, as inputs and as weights: machine
//! code equals the loop interpreter always, and means what the graph interpreter says wherever no intermediate value
//! leaves the normal range of `f32` in any order of summation.

use crate::common::engines::{compare_isas, isas_of_case, run_both, text};
use graphc_driver::{CompileOptions, DriverError, Lowered, compile};
use graphc_interp::graph::{Evaluation, Keep, run_keeping};
use graphc_interp::loops::Memory;
use graphc_ir::graph::Graph;
use graphc_ir::loops::BufferKind;
use graphc_ir::{Op, Real, Tensor};
use graphc_passes::manager::Record;
use graphc_testing::approx::Approx;
use graphc_testing::{Specials, cases, layer_graphs, optimizers, special_bindings};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often engines were compared with the meaning, and how often there was none that is certain.
#[derive(Default)]
struct Tally {
    compared: AtomicUsize,
    uncertain: AtomicUsize,
}

/// Compiles `graph`, runs it in every engine on special values, and compares.
fn check(graph: &Graph, options: &CompileOptions, seed: u64, tally: &Tally) -> Result<(), TestCaseError> {
    let compiled = match compile(graph, options) {
        Ok(compiled) => compiled,
        Err(DriverError::Options(message)) => return Err(TestCaseError::reject(message)),
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    let specials = if seed.is_multiple_of(2) { Specials::Certain } else { Specials::All };
    let tensors = special_bindings(&compiled.lowered.backward, seed, specials);
    let (lowered, memory) = run_both(compiled, &tensors).map_err(TestCaseError::fail)?;
    compare_isas(graph, options, &isas_of_case(seed), &tensors, &memory).map_err(TestCaseError::fail)?;
    let is_certain = compare_with_certain(&lowered, &tensors, &memory).map_err(TestCaseError::fail)?;
    let count = if is_certain { &tally.compared } else { &tally.uncertain };
    count.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Machine code's results and those of the graph interpreter in `f32` against the meaning, if that is certain.
fn compare_with_certain(
    lowered: &Lowered,
    tensors: &BTreeMap<String, Tensor<f32>>,
    memory: &Memory,
) -> Result<bool, String> {
    let watch = |graph: &Graph| -> Result<(Evaluation<Approx>, bool), String> {
        let (result, is_certain) = Approx::watch(|| {
            // A number of these may be subnormal itself.
            let exact = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.cast())).collect();
            run_keeping(graph, &exact, Keep::Roots)
        });
        Ok((result.map_err(text)?, is_certain))
    };
    // As written, and as it is expanded into what is computed: intermediate values are others.
    let (meaning, is_certain) = watch(&lowered.backward)?;
    if !is_certain || !watch(&lowered.fused)?.1 || may_fold_infinity(lowered, tensors) {
        return Ok(false);
    }
    let single: Evaluation<f32> = run_keeping(&lowered.backward, tensors, Keep::Roots).map_err(text)?;
    let parts = [
        (BufferKind::Output, &meaning.outputs, &single.outputs),
        (BufferKind::State, &meaning.updates, &single.updates),
    ];
    for (kind, expected, single) in parts {
        for ((name, expected), (_, single)) in expected.iter().zip(single) {
            let found = memory.get(&lowered.program, kind, name).map_err(text)?;
            compare(name, &found, expected)?;
            compare(name, single, expected).map_err(|error| format!("graph interpreter in f32: {error}"))?;
        }
    }
    Ok(true)
}

/// Whether an infinite scale may have been folded into weights of both signs: that makes NaN of an infinity.
fn may_fold_infinity(lowered: &Lowered, tensors: &BTreeMap<String, Tensor<f32>>) -> bool {
    let folds = |record: &Record| record.name == "fold_batch_norm" && !record.report.is_unchanged();
    let graph = &lowered.backward;
    let parameters = graph.ids().into_iter().filter(|&id| matches!(graph.op(id), Op::Parameter(_)));
    let is_infinite = |id| tensors[&graph.node(id).name].data.iter().any(|value| value.is_infinite());
    lowered.records.iter().any(folds) && parameters.into_iter().any(is_infinite)
}

/// Every element: NaN where the meaning is, the same infinity, or a number within the bound.
fn compare(name: &str, found: &Tensor<f32>, expected: &Tensor<Approx>) -> Result<(), String> {
    for (i, (&found, expected)) in found.data.iter().zip(&expected.data).enumerate() {
        let (found, value) = (f64::from(found), expected.widen());
        let is_right = match value.is_finite() {
            true => (found - value).abs() <= expected.radius() * 2.0 + 1e-37,
            false => found == value || (found.is_nan() && value.is_nan()),
        };
        if !is_right {
            return Err(format!("{name}[{i}]: {found:e}, expected {value:e} within {:e}", expected.radius()));
        }
    }
    Ok(())
}

/// Of so many cases at least a fifth must have been compared with the meaning.
fn run(cases: u32, options: impl Fn(usize, bool) -> CompileOptions) {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/special_values.proptest-regressions");
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 400,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
        ..ProptestConfig::default()
    };
    let tally = Tally::default();
    let strategy = (layer_graphs(), any::<u64>(), prop::bool::weighted(0.25), optimizers());
    let result = prop::test_runner::TestRunner::new(config).run(&strategy, |(test, seed, checked, optimizer)| {
        let mut graph = test.graph;
        graph.optimizer = Some(optimizer);
        check(&graph, &options(test.batch, checked), seed, &tally)
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let [compared, uncertain] = [&tally.compared, &tally.uncertain].map(|count| count.load(Ordering::Relaxed));
    eprintln!("{compared} graphs compared with their meaning, {uncertain} of uncertain meaning");
    assert!(5 * compared >= compared + uncertain, "too few certain: {compared} of {}", compared + uncertain);
}

#[test]
fn inference_agrees_on_special_values() {
    run(cases(60, 300), |batch, checked| CompileOptions { checked, ..CompileOptions::infer(batch) });
}

#[test]
fn training_agrees_on_special_values() {
    run(cases(140, 700), |batch, checked| CompileOptions { gradients: true, checked, ..CompileOptions::train(batch) });
}
