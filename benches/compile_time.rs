//! Time of the compilation of every example, stage by stage.
//!
//! `cargo bench -p graphc-measure --bench compile_time`. In `cargo test` everything runs once.

use criterion::{Criterion, criterion_group, criterion_main};
use graphc_codegen::{CodegenOptions, Target};
use graphc_driver::{CompileOptions, compile, lower};
use graphc_frontend::{CheckData, Experiment, load_with};
use graphc_measure::bench::stages;
use std::time::Duration;

criterion_group! {
    name = benches;
    // A stage is timed within all those before it, so criterion must not ask for many runs of a short one.
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .sample_size(10);
    targets = compile_time
}
criterion_main!(benches);

fn example(name: &str) -> Experiment {
    let path = format!("{}/../../examples/{name}.graph.json", env!("CARGO_MANIFEST_DIR"));
    load_with(path.as_ref(), CheckData::No).unwrap_or_else(|diagnostics| panic!("{diagnostics}"))
}

fn compile_time(criterion: &mut Criterion) {
    for name in ["lenet5", "lenet5-classic", "mlp"] {
        let Experiment { graph, train, .. } = example(name);
        let options = CompileOptions::train(train.batch_size);
        let mut group = criterion.benchmark_group(format!("compile/{name}"));
        group.bench_function("read", |bencher| bencher.iter(|| example(name)));
        for stage in ["passes", "autodiff", "fusion", "schedule"] {
            let time = || -> Duration {
                let lowered = lower(&graph, &options).expect("the example is valid");
                stages(&lowered).iter().filter(|known| known.name == stage).map(|known| known.time).sum()
            };
            group.bench_function(stage, |bencher| bencher.iter_custom(|n| (0..n).map(|_| time()).sum()));
        }
        let lowered = lower(&graph, &options).expect("the example is valid");
        let target = Target::host(options.isa).expect("a supported host");
        let codegen = || graphc_codegen::compile(&lowered.program, &target, &CodegenOptions::default());
        group.bench_function("codegen", |bencher| bencher.iter_with_large_drop(codegen));
        group.bench_function("everything", |bencher| bencher.iter_with_large_drop(|| compile(&graph, &options)));
        group.finish();
    }
}
