//! Operations counted from graphs, and that measurements measure what they say. No test looks at a time.

use graphc_driver::measure::{MeasureOptions, Span, bench, profile, work};
use graphc_driver::{CompileOptions, Isa, lower};
use graphc_frontend::{CheckData, Experiment, load_with};
use graphc_ir::graph::Mode;
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
        let kernels = work::kernel_flops(&lowered.fused, &lowered.plan);
        assert_eq!(kernels.iter().sum::<u64>(), total, "{name}: every contraction runs in one kernel");
        assert_eq!(kernels.len(), lowered.program.kernels.len() - lowered.program.n_prologue);
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
    MeasureOptions { mode, batch, threads: 3, isa: Isa::Portable, time, seed: 1 }
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
        assert!(bench.percent_of_peak() > 0.0 && bench.peak_gflops.min > 0.0);
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
        assert_eq!((names, profile.kernels[0].flops), (vec!["k0"], batch as u64 * 563_280));
        assert!(profile.spans.iter().all(|span| span.kernel == 0));
    }
}

#[test]
fn a_profile_is_consistent() {
    let profile = profile(&example("lenet5").graph, &options(Mode::Train, 16)).unwrap();
    assert_eq!(profile.kernels.iter().map(|kernel| kernel.flops).sum::<u64>(), 16 * 1_517_040);
    assert_eq!(profile.flops, 16 * 1_517_040);
    let kernel_ms: f64 = profile.kernels.iter().map(|kernel| kernel.ms.min).sum();
    // On a busy machine one step may be all there is; then both are the same sum, rounded in another way.
    assert!(kernel_ms <= profile.step_ms.max * (1.0 + 1e-9), "kernels are parts of the step");
    for kernel in &profile.kernels {
        assert!(kernel.traffic.read_bytes > 0 && kernel.traffic.written_bytes > 0, "{} moves nothing", kernel.name);
        assert!(!kernel.sources.is_empty() && kernel.limit_ms > 0.0 && kernel.percent_of_limit() > 0.0);
    }
    assert_eq!(profile.memory.len(), 3);
    // Spans of one thread follow each other, all kernels of a step in order.
    assert_eq!(profile.threads, 3);
    let n_kernels = profile.kernels.len();
    let spans = |thread| profile.spans.iter().filter(move |span| span.thread == thread).copied().collect::<Vec<Span>>();
    let kernels = spans(0);
    assert_eq!(kernels.len() % n_kernels, 0);
    for (position, span) in kernels.iter().enumerate() {
        assert_eq!((span.step, span.kernel), (position / n_kernels, position % n_kernels));
    }
    for thread in 0..3 {
        let spans = spans(thread);
        assert!(spans.windows(2).all(|pair| pair[0].start + pair[0].time <= pair[1].start));
        // Shares lie within their kernels.
        for span in &spans {
            let kernel = kernels[span.step * n_kernels + span.kernel];
            assert!(kernel.start <= span.start && span.start + span.time <= kernel.start + kernel.time);
        }
    }
    // Sixteen samples are one chunk, which is the caller's; the optimizer's blocks are for all.
    assert!(profile.spans.iter().any(|span| span.thread == 2));
}
