//! Every engine on random graphs: the graph interpreter in f64 is the meaning, the loop interpreter the exact
//! bits, machine code must equal the loop interpreter bit for bit.

use graphc_driver::{CompileOptions, DriverError, compile};
use graphc_interp::graph::{Evaluation, Keep, run_keeping};
use graphc_interp::loops::{LoopInterp, Memory};
use graphc_ir::graph::{Graph, Mode};
use graphc_ir::loops::BufferKind;
use graphc_ir::{Op, Tensor};
use graphc_testing::{bindings, layer_graphs};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use std::collections::BTreeMap;

/// Compiles `graph`, runs it in every engine, and compares.
fn check(graph: &Graph, options: &CompileOptions, seed: u64) -> Result<(), TestCaseError> {
    let fail = |error: &dyn std::fmt::Display| TestCaseError::fail(error.to_string());
    let compiled = match compile(graph, options) {
        Ok(compiled) => compiled,
        Err(DriverError::Options(message)) => return Err(TestCaseError::reject(message)),
        Err(error) => return Err(fail(&error)),
    };
    let (lowered, mut executable) = (compiled.lowered, compiled.executable);
    let program = &lowered.program;
    let tensors = bindings(&lowered.backward, seed);
    let mut memory = Memory::new(program);
    for buffer in &program.buffers {
        if matches!(buffer.kind, BufferKind::Input | BufferKind::State) {
            memory.set(program, buffer.kind, &buffer.name, &tensors[&buffer.name]).map_err(|e| fail(&e))?;
        }
    }
    executable.arena_mut().copy_from_slice(memory.arena());
    let interp = LoopInterp::new(program).map_err(|e| fail(&e))?;
    memory.run(&interp).map_err(|e| fail(&e))?;
    executable.step().map_err(|e| fail(&e))?;
    if let Some(word) = (0..program.arena_words).find(|&word| executable.arena()[word] != memory.arena()[word]) {
        let holder = program.buffers.iter().find(|b| (b.offset..b.offset + b.len).contains(&word));
        let name = holder.map_or("no buffer", |buffer| buffer.name.as_str());
        let [jit, loops] = [executable.arena()[word], memory.arena()[word]].map(f32::from_bits);
        let text = program.to_string();
        return Err(TestCaseError::fail(format!(
            "word {word} ({name}): machine code {jit:e}, loops {loops:e}\n{text}"
        )));
    }
    // A jump makes a small difference a large one: between engines of one precision there is none.
    let compares = options.mode == Mode::Infer || !has_jumps(&lowered.backward);
    if compares { compare_with_meaning(&lowered.backward, program, &memory, &tensors) } else { Ok(()) }
}

/// Outputs and updated parameters against the f64 graph interpreter.
fn compare_with_meaning(
    graph: &Graph,
    program: &graphc_ir::loops::Program,
    memory: &Memory,
    tensors: &BTreeMap<String, Tensor<f32>>,
) -> Result<(), TestCaseError> {
    let fail = |error: &dyn std::fmt::Display| TestCaseError::fail(error.to_string());
    let exact: BTreeMap<String, Tensor<f64>> = tensors.iter().map(|(name, t)| (name.clone(), t.cast())).collect();
    let meaning: Evaluation<f64> = run_keeping(graph, &exact, Keep::Roots).map_err(|e| fail(&e))?;
    let outputs = meaning.outputs.iter().map(|(name, tensor)| (BufferKind::Output, name, tensor));
    let updates = meaning.updates.iter().map(|(name, tensor)| (BufferKind::State, name, tensor));
    for (kind, name, expected) in outputs.chain(updates) {
        let found = memory.get(program, kind, name).map_err(|e| fail(&e))?;
        compare(name, &found, expected)?;
    }
    Ok(())
}

fn compare(name: &str, found: &Tensor<f32>, expected: &Tensor<f64>) -> Result<(), TestCaseError> {
    prop_assert_eq!(&found.shape, &expected.shape);
    let largest = expected.data.iter().fold(1.0_f64, |largest, x| largest.max(x.abs()));
    for (i, (&found, &expected)) in found.data.iter().zip(&expected.data).enumerate() {
        let error = (f64::from(found) - expected).abs();
        prop_assert!(error <= 1e-3 * largest, "{name}[{i}]: {found:e}, expected {expected:e} (largest {largest:e})");
    }
    Ok(())
}

/// Whether f32 rounding can change a value by more than a little: a comparison decides it.
fn has_jumps(graph: &Graph) -> bool {
    graph.ids().into_iter().any(|id| {
        matches!(
            graph.op(id),
            Op::Relu(_) | Op::ReluGrad(_) | Op::ReduceMax(_) | Op::Argmax(_) | Op::Equal(_) | Op::MaxPool2d(_)
        )
    })
}

/// Cases of a test, `GRAPHC_CASES` of them if that is set. Training alone compares 2,000 graphs.
fn config(cases: u32) -> ProptestConfig {
    let cases = std::env::var("GRAPHC_CASES").ok().map_or(cases, |n| n.parse().expect("GRAPHC_CASES is a number"));
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/engines.proptest-regressions");
    ProptestConfig {
        cases,
        max_shrink_iters: 400,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
        ..ProptestConfig::default()
    }
}

/// One case in four has bounds checks compiled in.
fn checked() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.25)
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn inference_agrees(test in layer_graphs(), seed in any::<u64>(), checked in checked()) {
        let options = CompileOptions { checked, ..CompileOptions::infer(test.batch) };
        check(&test.graph, &options, seed)?;
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn training_agrees(test in layer_graphs(), seed in any::<u64>(), checked in checked()) {
        let mut graph = test.graph;
        graph.optimizer = Some(graphc_ir::Optimizer::adam(0.01));
        let options = CompileOptions { gradients: true, checked, ..CompileOptions::train(test.batch) };
        check(&graph, &options, seed)?;
    }
}
