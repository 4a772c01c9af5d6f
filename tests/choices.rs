//! Whatever is chosen in place of what the cost model chooses: results are the same bits.

use crate::common::engines::run_both;
use graphc_codegen::{CodegenError, Isa};
use graphc_driver::{
    Aspect, Candidates, Choices, CompileOptions, DriverError, Lowered, Machine, Tuning, TuningKey, compile, lower,
};
use graphc_frontend::{CheckData, load_with};
use graphc_interp::loops::Memory;
use graphc_ir::graph::Graph;
use graphc_ir::graph::builder::{GraphBuilder, Loss};
use graphc_ir::layers::{Activation, Conv2d, Dense};
use graphc_ir::loops::{BufferKind, Program};
use graphc_ir::{DType, Optimizer, Shape, Tensor};
use graphc_runtime::Executable;
use graphc_testing::{Specials, bindings, cases, layer_graphs, special_bindings, updates};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use std::collections::{BTreeMap, BTreeSet};

/// Bits of the elements of everything that outlives a step. Words between elements are anyone's.
type Results = BTreeMap<(String, String), Vec<u32>>;

fn results(program: &Program, get: impl Fn(BufferKind, &str) -> Tensor<f32>) -> Results {
    let kept = program.buffers.iter().filter(|buffer| matches!(buffer.kind, BufferKind::Output | BufferKind::State));
    // Which NaN it is says nothing.
    let bit = |x: f32| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() };
    let bits = |tensor: Tensor<f32>| tensor.data.into_iter().map(bit).collect();
    kept.map(|b| ((format!("{:?}", b.kind), b.name.clone()), bits(get(b.kind, &b.name)))).collect()
}

fn results_in(program: &Program, memory: &Memory) -> Results {
    results(program, |kind, name| memory.get(program, kind, name).unwrap())
}

#[track_caller]
fn assert_same(found: &Results, expected: &Results, what: &str) {
    assert!(found.keys().eq(expected.keys()), "{what}: other buffers");
    for (name, words) in expected {
        assert!(found[name] == *words, "{what}: other bits in {name:?}");
    }
}

/// One step in machine code.
fn run(graph: &Graph, options: &CompileOptions, seed: u64) -> Option<(Lowered, Results)> {
    let compiled = match compile(graph, options) {
        Err(DriverError::Codegen(CodegenError::Target(_))) => return None,
        compiled => compiled.unwrap(),
    };
    let mut executable: Executable = compiled.executable;
    let tensors = bindings(&compiled.lowered.backward, seed);
    for buffer in &compiled.lowered.program.buffers {
        if !matches!(buffer.kind, BufferKind::Input | BufferKind::State) {
            continue;
        }
        let values = &tensors[&buffer.name].data;
        match buffer.dtype {
            DType::F32 => executable.set(buffer.kind, &buffer.name, values).unwrap(),
            DType::I32 => {
                let values: Vec<i32> = values.iter().map(|&value| value as i32).collect();
                executable.set_i32(buffer.kind, &buffer.name, &values).unwrap();
            }
        }
    }
    executable.step().unwrap();
    let results = results(&compiled.lowered.program, |kind, name| executable.get(kind, name).unwrap());
    Some((compiled.lowered, results))
}

fn with(options: &CompileOptions, choices: &Choices) -> CompileOptions {
    CompileOptions { tuning: Tuning::fixed(choices.clone()), ..options.clone() }
}

fn choose(candidates: &[Candidates], mut option: impl FnMut(&Candidates) -> usize) -> Choices {
    let mut choices = Choices::default();
    for candidates in candidates {
        choices.set(&candidates.contraction, candidates.aspect, option(candidates));
    }
    choices
}

/// Every option of everything at least once, on every kind of target.
fn check_every_option(graph: &Graph, options: &CompileOptions) {
    let mut expected = None;
    for isa in [Isa::Native, Isa::Avx2, Isa::Fma, Isa::Portable] {
        let options = CompileOptions { isa, ..options.clone() };
        let Some((lowered, results)) = run(graph, &options, 1) else { continue };
        let expected = expected.get_or_insert(results.clone());
        assert_same(&results, expected, &format!("{isa:?}"));
        for aspect in Aspect::ALL {
            let choices = choose(&lowered.candidates, |candidates| usize::from(candidates.aspect == aspect));
            let (_, results) = run(graph, &with(&options, &choices), 1).unwrap();
            assert_same(&results, expected, &format!("{isa:?}, another {}", aspect.name()));
        }
        let most = lowered.candidates.iter().map(|candidates| candidates.options.len()).max().unwrap();
        for option in 1..most {
            let choices = choose(&lowered.candidates, |candidates| option % candidates.options.len());
            let (tuned, results) = run(graph, &with(&options, &choices), 1).unwrap();
            assert!(tuned.is_tuned);
            assert_ne!(tuned.program, lowered.program);
            assert_same(&results, expected, &format!("{isa:?}, option {option} of everything"));
        }
    }
}

fn lenet5() -> Graph {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/lenet5.graph.json");
    load_with(path.as_ref(), CheckData::No).unwrap_or_else(|diagnostics| panic!("{diagnostics}")).graph
}

#[test]
fn lenet5_computes_the_same() {
    check_every_option(&lenet5(), &CompileOptions { gradients: true, ..CompileOptions::train(64) });
    check_every_option(&lenet5(), &CompileOptions { checked: true, ..CompileOptions::train(37) });
    check_every_option(&lenet5(), &CompileOptions::infer(16));
    // Few samples: lanes are features.
    check_every_option(&lenet5(), &CompileOptions::infer(1));
}

/// Layers with weights that are packed, planes that are cut, channels that are no multiple of anything, and a long sum.
fn wide() -> Graph {
    let mut builder = GraphBuilder::new("wide");
    let image = builder.input("image", DType::F32, Shape::batched(&[12, 12, 3])).unwrap();
    let label = builder.input("label", DType::I32, Shape::batched(&[])).unwrap();
    let conv1 = Conv2d { activation: Some(Activation::Relu), ..Conv2d::new(61, [3, 3]) };
    let conv1 = builder.conv2d("conv1", image, &conv1).unwrap();
    let conv2 = builder.conv2d("conv2", conv1, &Conv2d::new(37, [3, 3])).unwrap();
    let flat = builder.flatten("flat", conv2).unwrap();
    let hidden = Dense { activation: Some(Activation::Tanh), ..Dense::new(88) };
    let hidden = builder.dense("hidden", flat, &hidden).unwrap();
    let classes = Dense { activation: Some(Activation::Softmax), ..Dense::new(10) };
    let classes = builder.dense("classes", hidden, &classes).unwrap();
    builder.loss(Loss::CategoricalCrossentropy, classes, label).unwrap();
    builder.optimizer(Optimizer::adam(0.01));
    builder.finish()
}

#[test]
fn wide_layers_compute_the_same() {
    let options = CompileOptions { gradients: true, ..CompileOptions::train(144) };
    let reference = CompileOptions { machine: Machine::REFERENCE, ..options.clone() };
    let aspects: BTreeSet<Aspect> = lower(&wide(), &reference).unwrap().candidates.iter().map(|c| c.aspect).collect();
    assert_eq!(aspects, BTreeSet::from(Aspect::ALL), "every question is asked");
    check_every_option(&wide(), &options);
}

/// Options are few enough, and each has words of its own.
#[test]
fn candidates_are_told_apart() {
    let lowered = lower(&lenet5(), &CompileOptions::train(64)).unwrap();
    assert!(!lowered.is_tuned);
    let mut questions = BTreeSet::new();
    for candidates in &lowered.candidates {
        let Candidates { contraction, aspect, kernel, options, chosen } = candidates;
        assert_eq!(*chosen, 0, "{candidates:?}");
        assert!(options.len() >= 2 && *kernel < lowered.plan.kernels.len(), "{candidates:?}");
        assert_eq!(options.iter().collect::<BTreeSet<_>>().len(), options.len(), "{candidates:?}");
        assert!(questions.insert((contraction, *aspect)), "{contraction} is asked for its {} twice", aspect.name());
        assert_eq!(Aspect::from_name(aspect.name()), Some(*aspect));
    }
    assert!(questions.contains(&(&"conv1.conv2d".to_string(), Aspect::Grid)), "{questions:?}");
}

/// Choices of a larger graph, or of another one, are no reason to fail.
#[test]
fn choices_that_make_no_sense_are_the_cost_models() {
    let options = CompileOptions::train(64);
    let by_cost = lower(&lenet5(), &options).unwrap();
    let mut choices = choose(&by_cost.candidates, |candidates| candidates.options.len());
    choices.set("conv9.conv2d", Aspect::Grid, 3);
    // As text: the logarithm of a negative number is a NaN constant, which is not equal to itself.
    let program = lower(&lenet5(), &with(&options, &choices)).unwrap().program;
    assert_eq!(program.to_string(), by_cost.program.to_string());
}

#[test]
fn keys_tell_steps_apart() {
    let key = |graph: &Graph, options: &CompileOptions| graphc_driver::tuning_key(graph, options).unwrap();
    let graph = lenet5();
    let options = CompileOptions::train(64);
    let first = key(&graph, &options);
    assert_eq!(first, key(&graph, &options));
    let others = [
        key(&graph, &CompileOptions::train(65)),
        key(&graph, &CompileOptions::infer(64)),
        key(&graph, &CompileOptions { gradients: true, ..options.clone() }),
        key(&graph, &CompileOptions { isa: Isa::Portable, ..options.clone() }),
        key(&wide(), &options),
    ];
    let ids: BTreeSet<String> = others.iter().chain([&first]).map(TuningKey::id).collect();
    assert_eq!(ids.len(), others.len() + 1);
    // Where in the file a node stands does not matter.
    let mut moved = graph.clone();
    for id in moved.ids() {
        moved.node_mut(id).origin.line = 7;
    }
    assert_eq!(key(&moved, &options), first);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(60, 300),
        max_shrink_iters: 400,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/choices.proptest-regressions")
        ))),
        ..ProptestConfig::default()
    })]

    /// Random choices for random graphs; the loop interpreter agrees that the program means what is run.
    #[test]
    fn random_choices_compute_the_same(
        test in layer_graphs(), seed in any::<u64>(), portable in any::<bool>(), updates in updates(),
    ) {
        let mut graph = test.graph;
        updates.apply(&mut graph);
        let isa = if portable { Isa::Portable } else { Isa::Native };
        let options = CompileOptions { gradients: true, isa, ..CompileOptions::train(test.batch) };
        let compiled = match compile(&graph, &options) {
            Err(DriverError::Options(message)) => return Err(TestCaseError::reject(message)),
            compiled => compiled.map_err(|error| TestCaseError::fail(error.to_string()))?,
        };
        let tensors = match seed.is_multiple_of(3) {
            true => special_bindings(&compiled.lowered.backward, seed, Specials::All),
            false => bindings(&compiled.lowered.backward, seed),
        };
        let mut random = seed;
        // One more than there are: a choice that makes no sense.
        let choices = choose(&compiled.lowered.candidates, |candidates| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % (candidates.options.len() + 1)
        });
        let (lowered, memory) = run_both(compiled, &tensors).map_err(TestCaseError::fail)?;
        let expected = results_in(&lowered.program, &memory);
        let checked = seed.is_multiple_of(2);
        let tuned = compile(&graph, &CompileOptions { checked, ..with(&options, &choices) }).unwrap();
        let (lowered, memory) = run_both(tuned, &tensors).map_err(TestCaseError::fail)?;
        let found = results_in(&lowered.program, &memory);
        prop_assert!(found.keys().eq(expected.keys()));
        for (name, words) in &expected {
            prop_assert!(found[name] == *words, "{choices:?}: other bits in {name:?}\n{}", lowered.program);
        }
    }
}
