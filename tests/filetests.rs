//! Golden text of the compiler's stages. `GRAPHC_BLESS=1` writes it anew; review it as code.
//!
//! - `filetests/dump/<net>.<stage>.txt`: the nets of `examples/`, stage by stage.
//! - `filetests/passes/fusion/*.gir`: cases, each `; test: pass fusion`, a forward graph, and `; expect`, after which
//!   stands the fused stage.
//! - `filetests/select/*.gir` and `filetests/asm/*.gir`: likewise `; test: select MACHINE` or `; test: asm MACHINE`, a
//!   loop program, and that stage of it.
//! - `filetests/select/examples.txt`: how much of every example is assembled.
//!
//! A line `; has: text` or `; not: text` of a case says what it is about: the outcome must, or must not, have that
//! text, blessed or not.

use graphc_codegen::{CodegenOptions, Target, listing, select};
use graphc_driver::{CompileOptions, Machine, Stage, dump, lower};
use graphc_frontend::Experiment;
use graphc_frontend::experiment::CheckData;
use graphc_ir::graph::Mode;
use graphc_ir::graph::builder::{GraphBuilder, Loss};
use graphc_ir::layers::{Activation, Conv2d, Dense, DepthwiseConv2d, Padding};
use graphc_ir::loops::Program;
use graphc_ir::ops::ReduceMean;
use graphc_ir::{DType, Graph, NodeId, Optimizer, Shape};
use graphc_schedule::{Caches, Hardware, Threads, VectorUnit, schedule};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Begins the first line of a case.
const HEADER: &str = "; test: ";
const EXPECT: &str = "; expect";

/// Loops depend on how many registers the machine has; golden text must not.
const HARDWARE: Hardware = Hardware {
    vectors: VectorUnit { n_registers: 16, lanes: 4, assembled: false },
    caches: Caches::USUAL,
    threads: Threads::of(1),
};

#[test]
fn lenet5_graph() {
    let graph = example("lenet5");
    let text = dump(&graph, Stage::Graph, &CompileOptions::train(64)).unwrap();
    let parsed: Graph = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(parsed == graph.compacted(), "the text reads back as another graph");
    assert_golden("dump/lenet5.graph", &text);
}

#[test]
fn lenet5_backward() {
    let text = dump(&example("lenet5"), Stage::Backward, &CompileOptions::train(64)).unwrap();
    let parsed: Graph = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(parsed.to_string(), text);
    assert_golden("dump/lenet5.backward", &text);
}

#[test]
fn lenet5_fused() {
    assert_golden("dump/lenet5.fused", &dump(&example("lenet5"), Stage::Fused, &CompileOptions::train(64)).unwrap());
}

/// The statistics are known in inference: batch normalisations vanish into weights, and a step is one kernel.
#[test]
fn lenet5_fused_inference() {
    let options = CompileOptions::infer(64);
    let lowered = lower(&example("lenet5"), &options).unwrap();
    assert_eq!(lowered.plan.kernels.len(), 1);
    assert_golden("dump/lenet5-infer.fused", &dump(&example("lenet5"), Stage::Fused, &options).unwrap());
}

#[test]
fn lenet5_loops() {
    let lowered = lower(&example("lenet5"), &CompileOptions::train(64)).unwrap();
    let program = schedule(&lowered.fused, &lowered.plan, HARDWARE);
    let text = program.to_string();
    let parsed: Program = text.parse().unwrap_or_else(|error| panic!("{error}"));
    // Not `==`: the logarithm of a negative number is a NaN constant, and that is not equal to itself.
    assert!(format!("{parsed:?}") == format!("{program:?}"), "the text reads back as another program");
    assert_golden("dump/lenet5.loops", &text);
}

/// The plan for the reference machine.
fn plan(graph: &Graph, options: CompileOptions) -> String {
    dump(graph, Stage::Plan, &CompileOptions { machine: Machine::REFERENCE, ..options }).unwrap()
}

/// What is chosen for every nest, what was refused, and what both cost.
#[test]
fn lenet5_plan() {
    assert_golden("dump/lenet5.plan", &plan(&example("lenet5"), CompileOptions::train(64)));
}

/// A chunk by itself is shared by all threads: channels where there are enough, else pixels.
#[test]
fn lenet5_plan_of_one_chunk_for_eight_threads() {
    let text = plan(&example("lenet5"), CompileOptions { threads: 8, ..CompileOptions::train(16) });
    assert!(text.contains("cut in 8 shares"), "{text}");
    assert_golden("dump/lenet5-16-threads-8.plan", &text);
}

/// Few threads hardly wait for the slowest: tasks of whole chunks are as good where each has as many of them. Many
/// threads wait longer, so that shares of long tasks are better; and some would have no group of chunks. Gradients of
/// dense layers, and long sweeps over elements, are shared in another way than by one thread alone.
#[test]
fn few_threads_leave_chunks_whole_where_they_go_up_in_them() {
    let plan_for =
        |name: &str, threads, batch| plan(&example(name), CompileOptions { threads, ..CompileOptions::train(batch) });
    let chunks_for = |name: &str, threads, batch| {
        let text = plan_for(name, threads, batch);
        let is_alike =
            |line: &&str| !["  parallel  ", " parallel > ", "phases "].iter().any(|word| line.contains(word));
        text.lines().filter(is_alike).collect::<Vec<_>>().join("\n")
    };
    for (threads, batch) in [(2, 64), (4, 64), (4, 128)] {
        let expected = chunks_for("lenet5", 1, batch);
        assert_eq!(chunks_for("lenet5", threads, batch), expected, "{threads} threads, {batch} samples");
    }
    let joined = "gradients joined";
    assert!(plan_for("lenet5", 4, 128).contains(joined) && !plan_for("lenet5", 8, 128).contains(joined));
    assert!(plan_for("lenet5", 8, 64).contains("cut in 2 shares"));
    // 16 chunks for 16 threads: a task each would be waited for long.
    assert!(plan_for("vgg32", 16, 256).contains("cut in 4 shares"));
}

/// Four groups of a batch's chunks keep four threads busy; for more they are cut, in a phase of their own.
#[test]
fn groups_are_cut_where_threads_are_more() {
    let parallel = |name: &str, threads, batch| -> Vec<String> {
        let text = plan(&example(name), CompileOptions { threads, ..CompileOptions::train(batch) });
        let lines = text.lines().map(str::trim).filter(|line| line.starts_with("parallel") && line.contains("groups"));
        lines.map(|line| line["parallel".len()..].trim().to_string()).collect()
    };
    assert_eq!(parallel("lenet5", 4, 64), ["4 groups", "4 groups"]);
    assert_eq!(parallel("lenet5", 8, 64), ["4 groups x 2 shares of i3"; 2]);
    assert_eq!(parallel("vgg32", 16, 64), ["4 groups x 8 shares of i2", "4 groups x 8 shares of i3"]);
    // Groups of four chunks each.
    assert!(parallel("lenet5", 8, 256).iter().all(|line| line.starts_with("4 groups x ")));
    assert!(parallel("lenet5", 4, 256).iter().all(|line| line == "4 groups, accumulators wait for the next chunk"));
}

/// A depthwise convolution: blocks of pixels by both vectors of samples, for both passes; weight gradients of channels
/// that share strips among all taps. One in groups: an axis of groups and one of the filters of each.
#[test]
fn depthwise_plan() {
    let mut builder = GraphBuilder::new("depthwise");
    let image = builder.input("image", DType::F32, Shape::batched(&[32, 32, 32])).unwrap();
    let (padding, use_bias) = (Padding::Same, false);
    let depthwise = DepthwiseConv2d { padding, use_bias, ..DepthwiseConv2d::new([3, 3]) };
    let x = builder.depthwise_conv2d("depth1", image, &depthwise).unwrap();
    let x = builder.activation("relu", x, Activation::Relu).unwrap();
    let x = builder.depthwise_conv2d("depth2", x, &depthwise).unwrap();
    let grouped = Conv2d { groups: 4, padding, use_bias, ..Conv2d::new(16, [3, 3]) };
    let x = builder.conv2d("grouped", x, &grouped).unwrap();
    assert_golden("dump/depthwise.plan", &plan(&classified(builder, x), CompileOptions::train(64)));
}

/// A net whose images are classified by the means of their channels.
fn classified(mut builder: GraphBuilder, x: NodeId) -> Graph {
    let x = builder.op("means", ReduceMean { axes: vec![1, 2], keep_dims: false }, &[x]).unwrap();
    let label = builder.input("label", DType::I32, Shape::batched(&[])).unwrap();
    let classes = Dense { activation: Some(Activation::Softmax), ..Dense::new(10) };
    let classes = builder.dense("classes", x, &classes).unwrap();
    builder.loss(Loss::CategoricalCrossentropy, classes, label).unwrap();
    builder.optimizer(Optimizer::adam(0.01));
    builder.finish()
}

/// Large batches: gradients joined with the samples that they sum over, and strips.
#[test]
fn vgg32_plan_of_many_samples() {
    assert_golden("dump/vgg32-1024.plan", &plan(&example("vgg32"), CompileOptions::train(1024)));
}

/// Of one sample: border pixels of an input gradient tap by tap.
#[test]
fn lenet5_plan_of_one_sample() {
    assert_golden("dump/lenet5-1.plan", &plan(&example("lenet5"), CompileOptions::train(1)));
}

/// Of one sample, with strides: the input gradient's pixels by their remainders, of which odd heights have fewer.
#[test]
fn strided_plan_of_one_sample() {
    let mut builder = GraphBuilder::new("strided");
    let image = builder.input("image", DType::F32, Shape::batched(&[9, 8, 3])).unwrap();
    let x = builder.conv2d("conv1", image, &Conv2d::new(16, [1, 1])).unwrap();
    let strided = Conv2d { padding: Padding::Same, strides: [2, 2], ..Conv2d::new(24, [3, 3]) };
    let x = builder.conv2d("conv2", x, &strided).unwrap();
    assert_golden("dump/strided-1.plan", &plan(&classified(builder, x), CompileOptions::train(1)));
}

/// Three products without a batch, of vectors that would push each other out of the nearest cache.
#[test]
fn plan_of_a_product_of_parameters() {
    let text = include_bytes!("../examples/matmul-512.gir");
    let graph = graphc_ir::graph::parse::parse_bytes(text).unwrap();
    assert_golden("dump/matmul-512.plan", &plan(&graph, CompileOptions::train(1)));
}

/// One sample: rows, features as lanes, and a prologue.
#[test]
fn lenet5_loops_of_one_sample() {
    let mut graph = example("lenet5");
    graph.outputs.retain(|output| output.name == "probabilities");
    graph.loss = None;
    let lowered = lower(&graph.compacted(), &CompileOptions::infer(1)).unwrap();
    let program = schedule(&lowered.fused, &lowered.plan, HARDWARE);
    assert_eq!(program.prologue().len(), 1);
    assert!(program.buffers.iter().all(|buffer| buffer.layout.batch_axis.is_none()));
    let text = program.to_string();
    let parsed: Program = text.parse().unwrap_or_else(|error| panic!("{error}"));
    assert!(format!("{parsed:?}") == format!("{program:?}"), "the text reads back as another program");
    assert_golden("dump/lenet5-infer-1.loops", &text);
    assert_golden("dump/lenet5-infer-1.plan", &plan(&graph, CompileOptions::infer(1)));
}

/// Every function is there, as CLIF and as assembly: the same text on every host, and nothing of this process in it.
#[test]
fn functions_of_a_small_net() {
    let graph = small_net();
    let options = CompileOptions { machine: Machine::REFERENCE, ..CompileOptions::train(16) };
    let lowered = lower(&graph, &options).unwrap();
    let (target, codegen) = (options.target().unwrap(), CodegenOptions::default());
    let selection = select(&lowered.program, &target, &codegen);
    let functions = listing(&selection).unwrap();
    assert!(functions.len() >= lowered.program.kernels.len());
    for stage in [Stage::Clif, Stage::Asm] {
        let text = dump(&graph, stage, &options).unwrap();
        assert!(text.starts_with(&format!("; {target}\n; {}\n", selection.counts())), "{text}");
        let head = |name: &str| text.find(&format!("\n; {name}\n")).unwrap_or_else(|| panic!("no {name} in\n{text}"));
        let mut heads: Vec<usize> = functions.iter().map(|function| head(&function.name)).collect();
        assert!(heads.is_sorted(), "{}: functions stand in the order of compilation", stage.name());
        heads.push(text.len());
        for (span, function) in heads.windows(2).zip(&functions) {
            let body = text[span[0]..span[1]].trim();
            let is_mode = ["enter", "leave"].contains(&function.name.as_str());
            assert!(body.lines().count() > 4 || is_mode && stage == Stage::Clif, "{} is empty:\n{body}", function.name);
        }
        assert_eq!(text, dump(&graph, stage, &options).unwrap(), "the same graph gives the same code");
    }
    let asm = dump(&graph, Stage::Asm, &options).unwrap();
    let names: BTreeSet<&str> = functions.iter().map(|function| function.name.as_str()).collect();
    let calls: Vec<&str> = asm.lines().filter_map(|line| line.split_once("  call ")).map(|(_, name)| name).collect();
    assert!(!calls.is_empty() && calls.iter().all(|name| names.contains(name)), "{calls:?}");
    assert!(asm.lines().any(|line| line.starts_with("loop1:  ; for ")), "{asm}");
}

/// The first case of the fusion tests that trains.
fn small_net() -> Graph {
    let text = fs::read_to_string(filetests().join("passes/fusion/dense.gir")).unwrap();
    let case = split_cases(&text)[0];
    let input = case.split_once(EXPECT).map_or(case, |(input, _)| input);
    input.parse().unwrap_or_else(|error| panic!("dense.gir: {error}"))
}

#[test]
fn fusion() {
    check_folder("passes/fusion", 5, |input, _| {
        let graph: Graph = input.parse().map_err(|error| format!("{error}"))?;
        let batch = graph.batch.ok_or("a case has no batch size")?;
        let options = match graph.mode {
            Some(Mode::Infer) => CompileOptions::infer(batch),
            _ => CompileOptions { update: graph.optimizer.is_some(), ..CompileOptions::train(batch) },
        };
        dump(&graph, Stage::Fused, &options).map_err(|error| error.to_string())
    });
}

/// What loops, tiles and hints become, on machines by name.
#[test]
fn selection() {
    check_folder("select", 3, |input, machine| {
        let (program, target) = loops_for(input, machine)?;
        Ok(select(&program, &target, &CodegenOptions::default()).to_string())
    });
}

/// The bytes of small programs.
#[test]
fn assembly() {
    check_folder("asm", 1, |input, machine| {
        let (program, target) = loops_for(input, machine)?;
        let options = CodegenOptions::default();
        let functions = listing(&select(&program, &target, &options));
        let functions = functions.map_err(|error| error.to_string())?;
        Ok(functions.iter().map(|function| format!("\n; {}\n{}", function.name, function.asm)).collect())
    });
}

/// A loop program, and the machine it is for.
fn loops_for(input: &str, machine: &str) -> Result<(Program, Target), String> {
    let program: Program = input.parse().map_err(|error| format!("{error}"))?;
    let findings = graphc_ir::loops::verify::verify(&program);
    if !findings.is_empty() {
        return Err(format!("{findings:?}"));
    }
    Ok((program, Target::named(machine).map_err(|error| error.to_string())?))
}

/// How much of every example is assembled on the reference machine, so that no fast path is lost unnoticed: training
/// and inference, at the batch size of the file and at 1.
#[test]
fn what_is_assembled_of_the_examples() {
    let mut names: Vec<String> = fs::read_dir(root().join("examples"))
        .unwrap()
        .filter_map(|entry| {
            entry.unwrap().file_name().into_string().unwrap().strip_suffix(".graph.json").map(String::from)
        })
        .collect();
    names.sort();
    let mut text = String::new();
    for name in names {
        let experiment = experiment(&name);
        let batch = experiment.train.batch_size;
        let ways = [
            CompileOptions::train(batch),
            CompileOptions::infer(batch),
            CompileOptions::train(1),
            CompileOptions::infer(1),
        ];
        for options in ways {
            let options = CompileOptions { machine: Machine::REFERENCE, ..options };
            let lowered = lower(&experiment.graph, &options).unwrap();
            let target = options.target().unwrap();
            let counts = select(&lowered.program, &target, &CodegenOptions::default()).counts();
            assert!(counts.tiles.assembled > 0, "{name}: {counts}");
            text.push_str(&format!("{name}, {} at {}: {counts}\n", options.mode.name(), options.batch));
        }
    }
    assert_golden("select/examples", &text);
}

/// Checks every case of every file in a folder: `outcome` gets a case's text and what its header ends with.
fn check_folder(folder: &str, n_files: usize, outcome: impl Fn(&str, &str) -> Result<String, String>) {
    let entries = fs::read_dir(filetests().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "gir")).collect();
    files.sort();
    assert!(files.len() >= n_files, "{files:?}");
    let failures: Vec<String> = files.iter().flat_map(|file| check_file(file, &outcome)).collect();
    assert!(failures.is_empty(), "{}\n\nGRAPHC_BLESS=1 writes the new text.", failures.join("\n\n"));
}

/// Runs every case of a file; gives what is wrong with it.
fn check_file(file: &Path, outcome: &impl Fn(&str, &str) -> Result<String, String>) -> Vec<String> {
    let place = file.file_name().expect("a file").to_string_lossy();
    let old = fs::read_to_string(file).unwrap();
    let cases = split_cases(&old);
    assert!(!cases.is_empty(), "{place} has no line `{HEADER}`");
    let mut failures = Vec::new();
    let mut new = Vec::new();
    for case in cases {
        let input = case.split_once(&format!("\n{EXPECT}\n")).map_or(case, |(input, _)| input).trim_end();
        let header = input.lines().next().unwrap_or_default();
        let argument = header.rsplit(' ').next().unwrap_or_default();
        let outcome = outcome(input, argument).unwrap_or_else(|error| panic!("{place}: {error}"));
        for line in input.lines() {
            let title = input.lines().nth(1).unwrap_or_default();
            let wrong = match (line.strip_prefix("; has: "), line.strip_prefix("; not: ")) {
                (Some(text), _) => !outcome.contains(text),
                (_, Some(text)) => outcome.contains(text),
                _ => false,
            };
            if wrong {
                failures.push(format!("{place}: {title}\nbroken: {line}\n{outcome}"));
            }
        }
        new.push(format!("{input}\n{EXPECT}\n{}\n", outcome.trim()));
    }
    let new = new.join("\n");
    if failures.is_empty() && old != new {
        failures.extend(bless(file, &old, &new));
    }
    failures
}

/// Each case from its header to the next.
fn split_cases(text: &str) -> Vec<&str> {
    let starts: Vec<usize> = text.match_indices(HEADER).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(&start, end)| &text[start..end]).collect()
}

/// What the documents show of dumps is what the dumps of today say. (Lines of loops and of assembly depend on the
/// machine.)
#[test]
fn excerpts_in_documents_are_of_today() {
    let goldens = fs::read_dir(filetests().join("dump")).unwrap().map(|entry| entry.unwrap().path());
    let dumped: String = goldens.map(|path| fs::read_to_string(path).unwrap()).collect();
    let dumped: BTreeSet<&str> = dumped.lines().collect();
    let is_dumped = |line: &&str| ["  %", "; kernel ", ";   ", "  buffer "].iter().any(|head| line.starts_with(head));
    for document in ["README.md", "docs/architecture.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let excerpts: Vec<&str> = text.lines().filter(is_dumped).collect();
        assert!(!excerpts.is_empty(), "{document} shows no dump");
        let stale: Vec<&str> = excerpts.into_iter().filter(|line| !dumped.contains(line)).collect();
        assert!(stale.is_empty(), "{document}: not in tests/filetests/dump:\n{}", stale.join("\n"));
    }
}

fn assert_golden(name: &str, text: &str) {
    let file = filetests().join(format!("{name}.txt"));
    let old = fs::read_to_string(&file).unwrap_or_default();
    if old != text {
        let failure = bless(&file, &old, text);
        assert!(failure.is_none(), "{}\n\nGRAPHC_BLESS=1 writes the new text.", failure.unwrap_or_default());
    }
}

/// Writes `new` if asked to; otherwise says where it starts to differ.
fn bless(file: &Path, old: &str, new: &str) -> Option<String> {
    if std::env::var_os("GRAPHC_BLESS").is_some() {
        fs::write(file, new).unwrap();
        return None;
    }
    let same = old.lines().zip(new.lines()).take_while(|(old, new)| old == new).count();
    let [old, new] = [old, new].map(|text| text.lines().nth(same).unwrap_or("(the end)"));
    Some(format!("{}:{}: the text changed\n  was: {old}\n   is: {new}", file.display(), same + 1))
}

fn example(name: &str) -> Graph {
    experiment(name).graph
}

fn experiment(name: &str) -> Experiment {
    let path = root().join(format!("examples/{name}.graph.json"));
    let experiment = graphc_frontend::load_with(&path, CheckData::No);
    experiment.unwrap_or_else(|diagnostics| panic!("{}", diagnostics.render(false)))
}

fn filetests() -> PathBuf {
    root().join("tests/filetests")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
