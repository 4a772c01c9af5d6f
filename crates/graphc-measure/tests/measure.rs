//! Operations counted from graphs, and that measurements measure what they say. No test looks at a time.

use graphc_driver::{CompileOptions, Isa, Tuning, lower};
use graphc_frontend::{CheckData, Experiment, load_with};
use graphc_ir::graph::Mode;
use graphc_measure::traffic::Traffic;
use graphc_measure::{MeasureOptions, Part, Profile, Span, bench, profile, work};
use graphc_testing::layer_graphs;
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn example(name: &str) -> Experiment {
    let path = format!("{}/../../examples/{name}.graph.json", env!("CARGO_MANIFEST_DIR"));
    load_with(path.as_ref(), CheckData::No).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

/// Operations a sample in training and in inference.
fn flops(name: &str, batch: usize) -> [u64; 2] {
    let graph = example(name).graph;
    [CompileOptions::train(batch), CompileOptions::infer(batch)].map(|options| {
        let lowered = lower(&graph, &options).unwrap();
        let total = work::graph_flops(&lowered.fused);
        let kernels = work::phase_flops(&lowered.fused, &lowered.program);
        assert_eq!(kernels.iter().flatten().sum::<u64>(), total, "{name}: every contraction runs somewhere");
        assert_eq!(kernels.len(), lowered.program.each_step().len());
        assert_eq!(total % batch as u64, 0);
        total / batch as u64
    })
}

#[test]
fn flops_of_lenet5() {
    // Three times the forward pass, less the first convolution's input gradient: 86,400 multiply-adds.
    assert_eq!(flops("lenet5", 64), [1_517_040, 563_280]);
    assert_eq!(flops("lenet5", 1), [1_517_040, 563_280]);
}

/// Of a forward pass, then of training: each contraction three times, but the first one has no input gradient.
fn train_and_infer(multiply_adds: &[u64]) -> [u64; 2] {
    let forward = 2 * multiply_adds.iter().sum::<u64>();
    [3 * forward - 2 * multiply_adds[0], forward]
}

#[test]
fn flops_of_mlp_1024() {
    let expected = train_and_infer(&[784 * 1024, 1024 * 1024, 1024 * 10]);
    assert_eq!(expected[0], 9_564_160);
    assert_eq!(flops("mlp-1024", 256), expected);
}

/// Pixels of the result times the window times both channel counts.
#[test]
fn flops_of_vgg32() {
    let [large, medium, small] = [32 * 32 * 9, 16 * 16 * 9, 8 * 8 * 9];
    let expected = train_and_infer(&[
        large * 3 * 64,
        large * 64 * 64,
        medium * 64 * 128,
        medium * 128 * 128,
        small * 128 * 256,
        small * 256 * 256,
        4 * 4 * 256 * 256,
        256 * 10,
    ]);
    assert_eq!(expected[0], 919_354_368);
    assert_eq!(flops("vgg32", 64), expected);
}

#[test]
fn flops_of_strided() {
    let expected = train_and_infer(&[
        32 * 32 * 9 * 3 * 32,
        16 * 16 * 9 * 32 * 64,
        16 * 16 * 64 * 64,
        8 * 8 * 9 * 64 * 128,
        8 * 8 * 128 * 128,
        4 * 4 * 9 * 128 * 256,
        256 * 10,
    ]);
    assert_eq!(flops("strided", 64), expected);
}

fn options(mode: Mode, batch: usize) -> MeasureOptions {
    let time = Duration::from_millis(20);
    MeasureOptions { mode, batch, threads: 3, isa: Isa::Portable, time, seed: 1, tuning: Tuning::default() }
}

#[test]
fn a_bench_is_consistent() {
    let graph = example("lenet5").graph;
    for (mode, flops) in [(Mode::Train, 1_517_040), (Mode::Infer, 563_280)] {
        let start = Instant::now();
        let bench = bench(&graph, &options(mode, 3), start).unwrap();
        assert_eq!((bench.flops, bench.batch, bench.threads), (3 * flops, 3, 3));
        assert!(bench.n_steps >= 3 && bench.step_ms.min > 0.0 && bench.step_ms.median <= bench.step_ms.max);
        assert!(bench.first_step > bench.compile && start.elapsed() > bench.first_step);
        let stages: Vec<&str> = bench.stages.iter().map(|stage| stage.name).collect();
        let autodiff = if mode == Mode::Train { "passes autodiff " } else { "passes " };
        assert_eq!(stages.join(" "), format!("{autodiff}fusion schedule codegen"));
        assert!(bench.stages.iter().map(|stage| stage.time).sum::<Duration>() <= bench.compile);
        assert!((bench.samples_per_s() * bench.step_ms.median / 3e3 - 1.0).abs() < 1e-9);
        assert_eq!(bench.lanes, 4, "what is portable has 128-bit vectors");
        let share = bench.peaks.of_lanes(4).highest() / bench.peaks.machine().highest();
        assert!(bench.percent_of_peak() > 0.0 && share <= 1.0);
        assert!((bench.percent_of_machine_peak() / (bench.percent_of_peak() * share) - 1.0).abs() < 1e-9);
        let n_measured = bench.peaks.units.iter().map(|unit| unit.gflops.len());
        assert!(n_measured.clone().all(|n| n >= 2) && n_measured.len() >= 1, "before, between and after the steps");
    }
}

#[test]
fn dropout_and_a_regression_can_be_measured() {
    assert!(bench(&example("mlp").graph, &options(Mode::Train, 2), Instant::now()).is_ok());
    let text = r#"{ "graphc": 1,
        "inputs": { "x": { "shape": ["N", 3] }, "y": { "shape": ["N", 1] } },
        "nodes": [{ "name": "d", "op": "dense", "units": 1, "inputs": "x" }],
        "loss": { "op": "mean_squared_error", "prediction": "d", "target": "y" } }"#;
    let graph = graphc_frontend::parse(text, "x".as_ref()).unwrap().graph;
    for mode in [Mode::Train, Mode::Infer] {
        assert!(bench(&graph, &options(mode, 17), Instant::now()).is_ok());
    }
}

/// The prologue does not run in the steps that are measured.
#[test]
fn a_profile_leaves_the_prologue_out() {
    for batch in [1, 20] {
        let profile = profile(&example("lenet5").graph, &options(Mode::Infer, batch)).unwrap();
        let names: Vec<&str> = profile.kernels.iter().map(|kernel| kernel.name.as_str()).collect();
        assert_eq!((names, profile.kernels[0].whole.flops), (vec!["k0"], batch as u64 * 563_280));
        assert!(profile.spans.iter().all(|span| span.kernel == 0));
    }
}

#[test]
fn a_profile_is_consistent() {
    let profile = profile(&example("lenet5").graph, &options(Mode::Train, 16)).unwrap();
    let phases = || profile.kernels.iter().flat_map(|kernel| &kernel.phases);
    assert_eq!(phases().map(|phase| phase.part.flops).sum::<u64>(), 16 * 1_517_040);
    assert_eq!(profile.whole.flops, 16 * 1_517_040);
    assert_eq!(phases().map(|phase| phase.part.traffic).sum::<Traffic>(), profile.whole.traffic);
    for kernel in &profile.kernels {
        assert!(kernel.whole.ms.min <= profile.whole.ms.max, "kernels are parts of the step");
        assert!(
            kernel.phases.iter().all(|phase| phase.part.ms.min <= kernel.whole.ms.min),
            "phases are parts of kernels"
        );
        assert!(!kernel.sources.is_empty() && kernel.whole.percent_of_limit() > 0.0);
    }
    for phase in phases() {
        let Part { traffic, limit_ms, .. } = phase.part;
        assert!(traffic.read_bytes > 0 && traffic.written_bytes > 0 && limit_ms > 0.0, "{phase:?} moves nothing");
        assert!(!phase.nests.is_empty());
    }
    // Both gradients of conv2 are in one kernel, in phases of their own.
    let gradients: Vec<u64> =
        phases().filter(|p| p.nests.iter().any(|n| n == "gradient of conv2")).map(|p| p.part.flops).collect();
    assert_eq!(gradients, [2 * 16 * 153_600, 2 * 16 * 153_600]);
    assert_eq!(profile.memory.len(), 3);
    spans_follow_each_other(&profile);
}

/// Spans of one thread follow each other, all phases of a step in order; those of others lie within their phases.
fn spans_follow_each_other(profile: &Profile) {
    assert_eq!(profile.threads, 3);
    let kernels = profile.kernels.iter().enumerate();
    let places: Vec<(usize, usize)> =
        kernels.flat_map(|(k, kernel)| (0..kernel.phases.len()).map(move |p| (k, p))).collect();
    let spans = |thread| profile.spans.iter().filter(move |span| span.thread == thread).copied().collect::<Vec<Span>>();
    let phases = spans(0);
    assert_eq!(phases.len() % places.len(), 0);
    for (position, span) in phases.iter().enumerate() {
        assert_eq!((span.step, (span.kernel, span.phase)), (position / places.len(), places[position % places.len()]));
    }
    for thread in 0..3 {
        let spans = spans(thread);
        assert!(spans.windows(2).all(|pair| pair[0].end() <= pair[1].start));
        for span in &spans {
            let same = |phase: &&Span| (phase.step, phase.kernel, phase.phase) == (span.step, span.kernel, span.phase);
            let phase = phases.iter().find(same).unwrap();
            assert!(phase.start <= span.start && span.end() <= phase.end());
        }
    }
    // Sixteen samples are one chunk, which is the caller's; the optimizer's blocks are for all.
    assert!(profile.spans.iter().any(|span| span.thread == 2));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every contraction of any graph is found in the loops.
    #[test]
    fn flops_of_phases_add_up(case in layer_graphs(), batch in prop::sample::select(vec![1_usize, 9, 16, 70])) {
        for options in [CompileOptions::train(batch), CompileOptions::infer(batch)] {
            if let Ok(lowered) = lower(&case.graph, &options) {
                let phases = work::phase_flops(&lowered.fused, &lowered.program);
                let (sum, total) = (phases.iter().flatten().sum::<u64>(), work::graph_flops(&lowered.fused));
                // What depends on parameters alone is no work of a step.
                prop_assert!(sum == total || sum < total && !lowered.program.prologue().is_empty(), "{sum} of {total}");
            }
        }
    }
}
