//! Time of whole steps on one thread: LeNet-5 in training and inference, several batch sizes and instruction sets;
//! and a dense network whose weights are normal numbers or all subnormal, which takes the same time.
//!
//! `cargo bench -p graphc-measure --bench train_step`; "elements" are samples. In `cargo test` every step runs once.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use graphc_codegen::Isa;
use graphc_driver::{Session, SessionOptions, Tuning};
use graphc_frontend::{CheckData, load_with};
use graphc_ir::Tensor;
use graphc_ir::graph::Mode;
use graphc_ir::graph::builder::{GraphBuilder, Loss};
use graphc_ir::layers::{Activation, Dense};
use graphc_ir::{DType, Shape};
use graphc_measure::{MeasureOptions, prepare};
use std::time::Duration;

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30);
    targets = steps, subnormal_weights
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

fn subnormal_weights(criterion: &mut Criterion) {
    const BATCH: usize = 64;
    let mut group = criterion.benchmark_group("dense 256-512-10/train");
    for (name, weight) in [("normal", None), ("subnormal", Some(1e-40))] {
        let mut builder = GraphBuilder::new("dense");
        let features = builder.input("features", DType::F32, Shape::batched(&[256])).expect("an input");
        let relu = Dense { activation: Some(Activation::Relu), ..Dense::new(512) };
        let hidden = builder.dense("hidden", features, &relu).expect("a layer");
        let softmax = Dense { activation: Some(Activation::Softmax), ..Dense::new(10) };
        let classes = builder.dense("classes", hidden, &softmax).expect("a layer");
        let label = builder.input("label", DType::I32, Shape::batched(&[])).expect("an input");
        builder.loss(Loss::CategoricalCrossentropy, classes, label).expect("a loss");
        let options = SessionOptions { frozen: true, gradients: true, threads: 1, ..SessionOptions::default() };
        let mut session = Session::new(builder.finish(), options).expect("a valid network");
        for (name, tensor) in session.parameters().expect("parameters") {
            let value = weight.map_or(tensor.clone(), |weight| Tensor::full(&tensor.shape, weight));
            session.set_parameter(&name, &value).expect("a parameter of that shape");
        }
        let values: Vec<f32> = (0..BATCH * 256).map(|at| (at as f32 * 0.37).sin()).collect();
        session.set_input_f32(Mode::Train, BATCH, "features", &values).expect("the input");
        let labels: Vec<i32> = (0..BATCH as i32).map(|at| at % 10).collect();
        session.set_input_i32(Mode::Train, BATCH, "label", &labels).expect("the labels");
        group.throughput(Throughput::Elements(BATCH as u64));
        group.bench_function(name, |bencher| bencher.iter(|| session.step(Mode::Train, BATCH).expect("a step")));
    }
    group.finish();
}
