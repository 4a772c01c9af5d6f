//! Whatever is stored, recomputed, merged or cut: results are the same bits. What fixes them follows from graph and
//! batch alone.

use graphc_autodiff::{AutodiffOptions, differentiate};
use graphc_codegen::{CodegenOptions, Isa, Target};
use graphc_interp::loops::{LoopInterp, Memory};
use graphc_ir::graph::{Graph, Mode};
use graphc_ir::index::{Affine, Var};
use graphc_ir::loops::{BufferKind, LoopKind, Program, Stmt};
use graphc_ir::scalar::is_same_word;
use graphc_ir::{NodeId, Tensor, compute};
use graphc_passes::PassManager;
use graphc_passes::fusion::{FusionOptions, plan, plan_with};
use graphc_runtime::Executable;
use graphc_schedule::{Caches, Hardware, Threads, VectorUnit, schedule};
use graphc_testing::{bindings, cases, layer_graphs, updates};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const BEFORE_AUTODIFF: &[&str] = &["canonicalise", "simplify", "expand_before_autodiff", "simplify"];

const AFTER_AUTODIFF: &[&str] = &[
    "fold_batch_norm",
    "expand_after_autodiff",
    "canonicalise",
    "fold_constants",
    "simplify",
    "eliminate_common_subexpressions",
    "eliminate_dead_code",
    "separate_outputs",
];

/// Words of the elements of everything that outlives a step.
type Results = BTreeMap<String, Vec<u32>>;

/// What fusion gets, and values for its inputs.
fn expanded(graph: &Graph, mode: Mode, seed: u64) -> (Graph, BTreeMap<String, Tensor<f32>>) {
    let mut graph = graph.clone();
    graph.mode = Some(mode);
    let mut passes = PassManager::default();
    passes.run(BEFORE_AUTODIFF, &mut graph).unwrap();
    if mode == Mode::Train {
        differentiate(&mut graph, &AutodiffOptions { gradient_outputs: true, update: true }).unwrap();
    }
    let tensors = bindings(&graph, seed);
    passes.run(AFTER_AUTODIFF, &mut graph).unwrap();
    (graph.compacted(), tensors)
}

/// One step of a loop program in the loop interpreter.
fn run(program: &Program, tensors: &BTreeMap<String, Tensor<f32>>) -> Memory {
    let mut memory = bound(program, tensors);
    memory.run(&LoopInterp::new(program).unwrap().in_random_order(program.arena_words as u64)).unwrap();
    memory
}

/// The memory of a program before its first step.
fn bound(program: &Program, tensors: &BTreeMap<String, Tensor<f32>>) -> Memory {
    let mut memory = Memory::new(program);
    for buffer in &program.buffers {
        if matches!(buffer.kind, BufferKind::Input | BufferKind::State) {
            memory.set(program, buffer.kind, &buffer.name, &tensors[&buffer.name]).unwrap();
        }
    }
    memory
}

/// What outlives the step.
fn results(program: &Program, memory: &Memory) -> Results {
    let kept = program.buffers.iter().filter(|buffer| matches!(buffer.kind, BufferKind::Output | BufferKind::State));
    let words = |tensor: Tensor<f32>| {
        // Which NaN it is says nothing.
        tensor.data.into_iter().map(|x| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }).collect()
    };
    kept.map(|buffer| {
        let tensor = memory.get(program, buffer.kind, &buffer.name).unwrap();
        (format!("{:?} {}", buffer.kind, buffer.name), words(tensor))
    })
    .collect()
}

/// Whether one step of machine code leaves the memory that the interpreter leaves.
fn is_same_in_machine_code(
    program: &Program,
    target: &Target,
    tensors: &BTreeMap<String, Tensor<f32>>,
    expected: &Memory,
) -> bool {
    let code = graphc_codegen::compile(program, target, &CodegenOptions { checked: true }).unwrap();
    let mut executable = Executable::new(program.clone(), code).unwrap();
    executable.arena_mut().copy_from_slice(bound(program, tensors).arena());
    executable.step().unwrap();
    executable.arena().iter().zip(expected.arena()).all(|(&found, &expected)| is_same_word(found, expected))
}

/// The same program, of which every shared loop begins with its last iteration. What one of them reads of another
/// one's is not there yet.
fn backwards(program: &Program) -> Program {
    let mut program = program.clone();
    for stmt in program.kernels.iter_mut().flat_map(|kernel| &mut kernel.body) {
        if let Stmt::For { range, kind: LoopKind::Parallel, body } = stmt {
            let extent = range.extent().expect("shared loops have constant bounds") as i64;
            let (var, turn) = (range.var, Var(u32::MAX / 2));
            range.var = turn;
            let value = Affine::constant(extent - 1).add_scaled(&Affine::var(turn), -1);
            body.insert(0, Stmt::LetIndex { var, value });
        }
    }
    program
}

/// Of the nodes of a graph about that share, the same for the same seed.
fn some_nodes(graph: &Graph, share: f32, seed: u64) -> BTreeSet<NodeId> {
    let is_drawn = |id: &NodeId| compute::uniform(id.0 as i32, seed as i32) < share;
    graph.ids().into_iter().filter(is_drawn).collect()
}

/// Plans that differ from the cost model's in what is stored, merged, and fused as epilogues.
fn other_options(graph: &Graph, seed: u64) -> Vec<FusionOptions> {
    let usual = FusionOptions::default();
    let (some, few) = (some_nodes(graph, 0.5, seed), some_nodes(graph, 0.1, seed));
    let others = graph.ids().into_iter().filter(|id| !some.contains(id)).collect();
    vec![
        FusionOptions { stored: graph.ids().into_iter().collect(), ..usual.clone() },
        FusionOptions { recomputed: graph.ids().into_iter().collect(), ..usual.clone() },
        FusionOptions { stored: some.clone(), recomputed: others, ..usual.clone() },
        FusionOptions { stored: few, recomputed: some.clone(), max_roots: 2, ..usual.clone() },
        FusionOptions { epilogues: false, ..usual.clone() },
        FusionOptions { stored: some, max_roots: 1, epilogues: false, ..usual },
    ]
}

fn check(graph: &Graph, mode: Mode, seed: u64) -> Result<(), TestCaseError> {
    let (graph, tensors) = expanded(graph, mode, seed);
    let target = Target::host(Isa::default()).unwrap();
    let vectors = VectorUnit {
        n_registers: target.n_registers(),
        lanes: target.register_lanes(),
        assembled: target.assembles_tiles(),
    };
    let machine = Hardware { vectors, caches: Caches::USUAL, threads: Threads::of(1) };
    let program = schedule(&graph, &plan(&graph), machine);
    let expected = results(&program, &run(&program, &tensors));
    for (number, options) in other_options(&graph, seed).into_iter().enumerate() {
        // Where a barrier costs nothing, chunks are cut however small they are.
        let threads = Threads { n: [1, 2, 3, 8][(seed >> 8) as usize % 4], barrier_cycles: 0 };
        let machine = Hardware { threads, ..machine };
        let program = schedule(&graph, &plan_with(&graph, &options), machine);
        let memory = run(&program, &tensors);
        let found = results(&program, &memory);
        prop_assert!(found.keys().eq(expected.keys()), "other buffers");
        for (name, words) in &expected {
            prop_assert!(found[name] == *words, "other bits in {name} with {options:?} for {threads:?}\n{graph}");
        }
        let other_order = backwards(&program);
        let memory_of_other_order = run(&other_order, &tensors);
        let is_same = results(&other_order, &memory_of_other_order) == found;
        prop_assert!(is_same, "tasks are not independent with {options:?} for {threads:?}\n{graph}");
        if seed % 16 == number as u64 {
            let is_same = is_same_in_machine_code(&program, &target, &tensors, &memory);
            prop_assert!(is_same, "machine code leaves other bits with {options:?} for {threads:?}\n{graph}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(60, 600),
        max_shrink_iters: 300,
        max_global_rejects: 100_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn bits_of_inference_do_not_depend_on_what_is_stored(test in layer_graphs(), seed in any::<u64>()) {
        check(&test.graph, Mode::Infer, seed)?;
    }

    #[test]
    fn bits_of_training_do_not_depend_on_what_is_stored(
        test in layer_graphs(), seed in any::<u64>(), updates in updates(),
    ) {
        let mut graph = test.graph;
        updates.apply(&mut graph);
        check(&graph, Mode::Train, seed)?;
    }
}
