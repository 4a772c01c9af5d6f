//! Time of the compilation of every example, stage by stage, and how it grows with the number of layers.
//!
//! `cargo bench -p graphc-measure --bench compile_time`. In `cargo test` everything runs once.
//!
//! `cargo bench -p graphc-measure --bench compile_time -- scaling [KIND]... [N]...` prints a table instead: training
//! steps of nets that are 10 to 800 layers deep (or N), of the [`KINDS`] named or of all. Times are those of the
//! processor, where the system tells them, so that other programs disturb less; those of stages are of the clock on
//! the wall. `times linear` is the time of a layer over the least that a layer takes in the smaller nets above it.

use criterion::{Criterion, criterion_group};
use graphc_codegen::{CodegenOptions, Target};
use graphc_driver::{CompileOptions, compile, lower};
use graphc_frontend::{CheckData, Experiment, load_with, parse};
use graphc_measure::bench::stages;
use std::time::{Duration, Instant};

criterion_group! {
    name = benches;
    // A stage is timed within all those before it, so criterion must not ask for many runs of a short one.
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .sample_size(10);
    targets = compile_time
}

fn main() {
    let mut words = std::env::args().skip(1).skip_while(|word| word != "scaling");
    if words.next().is_some() {
        let words: Vec<String> = words.filter(|word| !word.starts_with('-')).collect();
        let wanted: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
        let has_kinds = words.len() > wanted.len();
        for kind in KINDS.iter().filter(|kind| !has_kinds || words.iter().any(|word| word == kind.name)) {
            print_scaling(kind, if wanted.is_empty() { kind.sizes } else { &wanted });
        }
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
    // As criterion tells a test.
    if !std::env::args().any(|word| word == "--bench") {
        KINDS.iter().for_each(|kind| print_scaling(kind, &[1]));
    }
}

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

/// Nets that differ in the number of their layers.
struct Kind {
    name: &'static str,
    /// What they have many of.
    layer: &'static str,
    sizes: &'static [usize],
    /// Shape of a sample.
    shape: &'static str,
    batch: usize,
    /// The nodes of layer `i`, each followed by a comma.
    write: fn(i: usize, text: &mut String),
}

const KINDS: &[Kind] = &[
    Kind { name: "dense", layer: "layers", sizes: SIZES, shape: "32", batch: 64, write: dense },
    Kind { name: "conv", layer: "layers", sizes: SIZES, shape: "16, 16, 8", batch: 64, write: convolution },
    Kind { name: "residual", layer: "blocks", sizes: BLOCKS, shape: "16, 16, 8", batch: 64, write: residual },
    Kind { name: "cheap", layer: "links", sizes: BLOCKS, shape: "1024", batch: 64, write: cheap },
    Kind { name: "functions", layer: "links", sizes: BLOCKS, shape: "1024", batch: 64, write: functions },
    Kind {
        name: "functions-conv",
        layer: "links",
        sizes: BLOCKS,
        shape: "16, 16, 8",
        batch: 64,
        write: functions_of_image,
    },
    Kind { name: "sums", layer: "links", sizes: BLOCKS, shape: "1024", batch: 64, write: sums },
    Kind { name: "squares", layer: "links", sizes: BLOCKS, shape: "1024", batch: 64, write: squares },
    Kind {
        name: "pool",
        layer: "pools over 512x512",
        sizes: &[1],
        shape: "512, 512, 3",
        batch: 16,
        write: global_pool,
    },
];

const SIZES: &[usize] = &[10, 50, 100, 200, 400, 800];
const BLOCKS: &[usize] = &[10, 50, 100, 200];

/// The layer in front of layer `i`.
fn before(layer: &str, i: usize) -> String {
    if i == 0 { "x".to_owned() } else { format!("{layer}{}", i - 1) }
}

fn dense(i: usize, text: &mut String) {
    let input = before("dense", i);
    *text += &format!(
        "{{ \"name\": \"dense{i}\", \"op\": \"dense\", \"inputs\": \"{input}\", \"units\": 32, \
         \"activation\": \"relu\" }},\n"
    );
}

fn convolution(i: usize, text: &mut String) {
    let input = before("conv", i);
    *text += &format!(
        "{{ \"name\": \"conv{i}\", \"op\": \"conv2d\", \"inputs\": \"{input}\", \"filters\": 8, \"kernel\": [3, 3], \
         \"padding\": \"same\", \"activation\": \"relu\" }},\n"
    );
}

/// `relu(x + bn(conv(relu(bn(conv(x))))))`.
fn residual(i: usize, text: &mut String) {
    let input = before("block", i);
    let conv = "\"op\": \"conv2d\", \"filters\": 8, \"kernel\": [3, 3], \"padding\": \"same\"";
    *text += &format!(
        "{{ \"name\": \"a{i}\", {conv}, \"inputs\": \"{input}\" }}, {{ \"name\": \"bn_a{i}\", \"op\": \"batch_norm\" }},
         {{ \"name\": \"relu{i}\", \"op\": \"relu\" }},
         {{ \"name\": \"b{i}\", {conv} }}, {{ \"name\": \"bn_b{i}\", \"op\": \"batch_norm\" }},
         {{ \"name\": \"sum{i}\", \"op\": \"add\", \"inputs\": [\"bn_b{i}\", \"{input}\"] }},
         {{ \"name\": \"block{i}\", \"op\": \"relu\" }},\n"
    );
}

/// A chain of elementwise operations behind a dense layer: in turns a ReLU, plus and times its first value.
fn cheap(i: usize, text: &mut String) {
    dense_first(i, text);
    link(i, ["relu", "add:first", "relu", "mul:first"][i % 4], text);
}

/// In turns `tanh` and `sigmoid`.
fn functions(i: usize, text: &mut String) {
    dense_first(i, text);
    link(i, ["tanh", "sigmoid"][i % 2], text);
}

/// The same behind a convolution.
fn functions_of_image(i: usize, text: &mut String) {
    if i == 0 {
        *text += "{ \"name\": \"first\", \"op\": \"conv2d\", \"inputs\": \"x\", \"filters\": 8, \"kernel\": [3, 3], \
                   \"padding\": \"same\" },\n";
    }
    link(i, ["tanh", "sigmoid"][i % 2], text);
}

/// Sums with the value before the last one: every value is read twice.
fn sums(i: usize, text: &mut String) {
    dense_first(i, text);
    let other = format!("add:{}", before_link(i.saturating_sub(1)));
    link(i, ["sigmoid", &other][i % 2], text);
}

/// Squares, and what is positive of them.
fn squares(i: usize, text: &mut String) {
    dense_first(i, text);
    let own = format!("mul:{}", before_link(i));
    link(i, [own.as_str(), "relu"][i % 2], text);
}

fn dense_first(i: usize, text: &mut String) {
    if i == 0 {
        *text += "{ \"name\": \"first\", \"op\": \"dense\", \"inputs\": \"x\", \"units\": 1024 },\n";
    }
}

fn before_link(i: usize) -> String {
    if i == 0 { "first".to_owned() } else { before("link", i) }
}

/// Node `i` of a chain: an op, with its other operand behind a colon.
fn link(i: usize, op: &str, text: &mut String) {
    let last = before_link(i);
    let (op, inputs) = match op.split_once(':') {
        Some((op, other)) => (op, format!("[\"{last}\", \"{other}\"]")),
        None => (op, format!("\"{last}\"")),
    };
    *text += &format!("{{ \"name\": \"link{i}\", \"op\": \"{op}\", \"inputs\": {inputs} }},\n");
}

fn global_pool(i: usize, text: &mut String) {
    let input = before("pool", i);
    *text += &format!(
        "{{ \"name\": \"pool{i}\", \"op\": \"avg_pool2d\", \"inputs\": \"{input}\", \"pool\": [512, 512] }},\n"
    );
}

/// The graph file of a net with `n` layers, a flat last layer, cross-entropy and Adam.
fn graph_file(kind: &Kind, n: usize) -> String {
    let mut nodes = String::new();
    (0..n).for_each(|i| (kind.write)(i, &mut nodes));
    let flatten = if kind.shape.contains(',') { "{ \"name\": \"flat\", \"op\": \"flatten\" }," } else { "" };
    format!(
        "{{ \"graphc\": 1, \"name\": \"{}\",
            \"inputs\": {{ \"x\": {{ \"shape\": [\"N\", {}] }}, \"y\": {{ \"shape\": [\"N\"], \"dtype\": \"i32\" }} }},
            \"nodes\": [ {nodes} {flatten}
                {{ \"name\": \"scores\", \"op\": \"dense\", \"units\": 10, \"activation\": \"softmax\" }} ],
            \"loss\": {{ \"op\": \"categorical_crossentropy\", \"prediction\": \"scores\", \"target\": \"y\" }},
            \"metrics\": [\"accuracy\"],
            \"optimizer\": {{ \"op\": \"adam\", \"learning_rate\": 0.001 }},
            \"train\": {{ \"epochs\": 1, \"batch_size\": {} }},
            \"data\": {{ \"format\": \"synthetic\", \"samples\": 256, \"test_samples\": 64, \"seed\": 1 }} }}",
        kind.name, kind.shape, kind.batch
    )
}

/// Times of one compilation.
struct Times {
    /// All of it, that of the processor if it is known.
    total: Duration,
    /// By stage: `read` is before them, and what no stage counts is the `rest`.
    stages: Vec<(&'static str, Duration)>,
}

fn time(kind: &Kind, n: usize) -> Times {
    let text = graph_file(kind, n);
    let (start, busy) = (Instant::now(), processor_time());
    let Experiment { graph, .. } =
        parse(&text, "generated.graph.json".as_ref()).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    let mut times = vec![("read", start.elapsed())];
    let compiled = compile(&graph, &CompileOptions::train(kind.batch)).expect("the net is valid");
    let total = match (busy, processor_time()) {
        (Some(before), Some(after)) => after - before,
        _ => start.elapsed(),
    };
    times.extend(stages(&compiled.lowered).iter().map(|stage| (stage.name, stage.time)));
    let known: Duration = times[1..].iter().map(|(_, time)| *time).sum();
    times.push(("rest", compiled.time.saturating_sub(known)));
    Times { total, stages: times }
}

/// For how long this thread has run. Linux says so.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Runs are repeated for this long, and the shortest counts.
const TIME_FOR_EACH: Duration = Duration::from_secs(2);

#[expect(clippy::print_stdout, reason = "the table is what was asked for")]
fn print_scaling(kind: &Kind, sizes: &[usize]) {
    let mut least = f64::INFINITY;
    for &n in sizes {
        let start = Instant::now();
        let mut best = time(kind, n);
        while start.elapsed() < TIME_FOR_EACH && sizes != [1] {
            best = std::cmp::min_by_key(best, time(kind, n), |times| times.total);
        }
        let ms = best.total.as_secs_f64() * 1e3;
        let ms_each = ms / n as f64;
        let ratio = if least.is_finite() { format!("{:5.2}", ms_each / least) } else { "    -".to_owned() };
        least = least.min(ms_each);
        let what = format!("{n} {} {}", kind.name, kind.layer);
        print!("{what:24} {ms:9.1} ms {ms_each:8.3} ms each {ratio} times linear |");
        for (name, time) in best.stages {
            print!(" {name} {:.1}", time.as_secs_f64() * 1e3);
        }
        println!();
    }
}
