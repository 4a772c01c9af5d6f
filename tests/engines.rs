//! Every engine on random graphs: the graph interpreter in f64 is the meaning, the loop interpreter the exact
//! bits, machine code must equal the loop interpreter bit for bit.

use crate::common::engines::{compare_isas, isas_of_case, run_both};
use crate::common::meaning::compare_with_meaning;
use graphc_driver::{CompileOptions, DriverError, compile};
use graphc_interp::graph::{Evaluation, Keep, run_keeping};
use graphc_ir::Tensor;
use graphc_ir::graph::{Graph, Mode};
use graphc_testing::approx::Approx;
use graphc_testing::{bindings, cases, layer_graphs, updates};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use std::collections::BTreeMap;
use std::path::Path;

/// Compiles `graph`, runs it in every engine, and compares.
fn check(graph: &Graph, options: &CompileOptions, seed: u64) -> Result<(), TestCaseError> {
    let compiled = match compile(graph, options) {
        Ok(compiled) => compiled,
        Err(DriverError::Options(message)) => return Err(TestCaseError::reject(message)),
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    let tensors = bindings(&compiled.lowered.backward, seed);
    let (lowered, memory) = run_both(compiled, &tensors).map_err(TestCaseError::fail)?;
    compare_isas(graph, options, &isas_of_case(seed), &tensors, &memory).map_err(TestCaseError::fail)?;
    // A jump makes a small difference a large one: between engines of one precision there is none.
    let exact: BTreeMap<String, Tensor<f64>> = tensors.iter().map(|(name, t)| (name.clone(), t.cast())).collect();
    if options.mode == Mode::Train && is_near_a_jump(&lowered.backward, &tensors) {
        return Ok(());
    }
    let meaning: Evaluation<f64> =
        run_keeping(&lowered.backward, &exact, Keep::Roots).map_err(|error| TestCaseError::fail(error.to_string()))?;
    compare_with_meaning(&lowered.program, &memory, &meaning, |_| 1e-3).map_err(TestCaseError::fail)
}

/// Whether rounding to f32 may change a value by more than a little: a comparison of numbers that are too close.
fn is_near_a_jump(graph: &Graph, tensors: &BTreeMap<String, Tensor<f32>>) -> bool {
    let tensors = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.cast())).collect();
    !Approx::watch(|| run_keeping::<Approx>(graph, &tensors, Keep::Roots)).1
}

/// Graphs that random tests once failed on, `tests/cases/found`.
#[test]
fn found_graphs_agree() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/found");
    for entry in std::fs::read_dir(directory).expect("tests/cases/found exists") {
        let file = entry.expect("the directory can be read").path();
        let text = std::fs::read_to_string(&file).expect("the file can be read");
        let graph: Graph = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let batch = graph.batch.expect("the graph sets its batch");
        let update = graph.optimizer.is_some();
        let train = CompileOptions { gradients: true, update, ..CompileOptions::train(batch) };
        for options in [CompileOptions::infer(batch), train] {
            if options.mode == Mode::Train && graph.loss.is_none() {
                continue;
            }
            for seed in 0..4 {
                let options = CompileOptions { threads: 1 + seed as usize, ..options.clone() };
                let found = check(&graph, &options, seed);
                found.unwrap_or_else(|error| panic!("{} ({}): {error}", file.display(), options.mode.name()));
            }
        }
    }
}

fn config(cases: u32) -> ProptestConfig {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/engines.proptest-regressions");
    ProptestConfig {
        cases,
        max_shrink_iters: 400,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
        ..ProptestConfig::default()
    }
}

/// Threads that the schedule is made for; steps run on one, and on a team of so many or of another number.
fn threads() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![1, 2, 3, 8, 16, 64])
}

/// One case in four has bounds checks compiled in.
fn checked() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.25)
}

proptest! {
    #![proptest_config(config(cases(100, 600)))]

    #[test]
    fn inference_agrees(test in layer_graphs(), seed in any::<u64>(), checked in checked(), threads in threads()) {
        let options = CompileOptions { checked, threads, ..CompileOptions::infer(test.batch) };
        check(&test.graph, &options, seed)?;
    }
}

proptest! {
    #![proptest_config(config(cases(300, 2000)))]

    #[test]
    fn training_agrees(
        test in layer_graphs(), seed in any::<u64>(), checked in checked(), threads in threads(),
        updates in updates(),
    ) {
        let mut graph = test.graph;
        updates.apply(&mut graph);
        let options = CompileOptions { gradients: true, checked, threads, ..CompileOptions::train(test.batch) };
        check(&graph, &options, seed)?;
    }
}
