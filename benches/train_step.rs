//! Time of whole steps of LeNet-5 on one thread: training and inference, several batch sizes and instruction sets.
//!
//! `cargo bench -p graphc-driver --bench train_step`; "elements" are samples. In `cargo test` every step runs once.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use graphc_codegen::Isa;
use graphc_driver::Tuning;
use graphc_driver::measure::{MeasureOptions, prepare};
use graphc_frontend::{CheckData, load_with};
use graphc_ir::graph::Mode;
use std::time::Duration;

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(30);
    targets = steps
}
criterion_main!(benches);

fn steps(criterion: &mut Criterion) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/lenet5.graph.json");
    let graph = load_with(path.as_ref(), CheckData::No).unwrap_or_else(|diagnostics| panic!("{diagnostics}")).graph;
    for mode in [Mode::Train, Mode::Infer] {
        let mut group = criterion.benchmark_group(format!("lenet5/{}", mode.name()));
        for batch in [1, 64, 256] {
            for (isa_name, isa) in [("native", Isa::Native), ("portable", Isa::Portable)] {
                let options = MeasureOptions {
                    mode,
                    batch,
                    threads: 1,
                    isa,
                    time: Duration::ZERO,
                    seed: 1,
                    tuning: Tuning::default(),
                };
                group.throughput(Throughput::Elements(batch as u64));
                group.bench_function(format!("{batch} samples, {isa_name}"), |bencher| {
                    let mut executable = prepare(&graph, &options).expect("the example is valid").executable;
                    bencher.iter(|| executable.step().expect("unchecked code cannot fail"));
                });
            }
        }
        group.finish();
    }
}
