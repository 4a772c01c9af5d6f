//! Golden text of the compiler's stages. `GRAPHC_BLESS=1` writes it anew; review it as code.
//!
//! - `filetests/dump/<net>.<stage>.txt`: the nets of `examples/`, stage by stage.
//! - `filetests/passes/fusion/*.gir`: cases, each `; test: pass fusion`, a forward graph, and `; expect`, after which
//!   stands the fused stage. A line `; has: text` or `; not: text` before the graph says what the case is about: the
//!   outcome must, or must not, have that text, blessed or not.

use graphc_driver::{CompileOptions, Stage, compile, dump, lower};
use graphc_frontend::experiment::CheckData;
use graphc_ir::Graph;
use graphc_ir::graph::Mode;
use graphc_ir::loops::Program;
use graphc_schedule::{RegisterFile, schedule};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const HEADER: &str = "; test: pass fusion";
const EXPECT: &str = "; expect";

/// Loops depend on how many registers the machine has; golden text must not.
const REGISTERS: RegisterFile = RegisterFile { n_registers: 16, lanes: 4, assembled: false };

#[test]
fn lenet5_graph() {
    let graph = example("lenet5");
    let text = dump(&graph, Stage::Graph, &CompileOptions::train(64)).unwrap();
    let parsed: Graph = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(parsed == graph.compacted(), "the text reads back as another graph");
    assert_golden("lenet5.graph", &text);
}

#[test]
fn lenet5_backward() {
    let text = dump(&example("lenet5"), Stage::Backward, &CompileOptions::train(64)).unwrap();
    let parsed: Graph = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(parsed.to_string(), text);
    assert_golden("lenet5.backward", &text);
}

#[test]
fn lenet5_fused() {
    assert_golden("lenet5.fused", &dump(&example("lenet5"), Stage::Fused, &CompileOptions::train(64)).unwrap());
}

/// The statistics are known in inference: batch normalisations vanish into weights, and a step is one kernel.
#[test]
fn lenet5_fused_inference() {
    let options = CompileOptions::infer(64);
    let lowered = lower(&example("lenet5"), &options).unwrap();
    assert_eq!(lowered.plan.kernels.len(), 1);
    assert_golden("lenet5-infer.fused", &dump(&example("lenet5"), Stage::Fused, &options).unwrap());
}

#[test]
fn lenet5_loops() {
    let lowered = lower(&example("lenet5"), &CompileOptions::train(64)).unwrap();
    let program = schedule(&lowered.fused, &lowered.plan, REGISTERS);
    let text = program.to_string();
    let parsed: Program = text.parse().unwrap_or_else(|error| panic!("{error}"));
    // Not `==`: the logarithm of a negative number is a NaN constant, and that is not equal to itself.
    assert!(format!("{parsed:?}") == format!("{program:?}"), "the text reads back as another program");
    assert_golden("lenet5.loops", &text);
}

/// One sample: rows, features as lanes, and a prologue.
#[test]
fn lenet5_loops_of_one_sample() {
    let mut graph = example("lenet5");
    graph.outputs.retain(|output| output.name == "probabilities");
    graph.loss = None;
    let lowered = lower(&graph.compacted(), &CompileOptions::infer(1)).unwrap();
    let program = schedule(&lowered.fused, &lowered.plan, REGISTERS);
    assert_eq!(program.prologue().len(), 1);
    assert!(program.buffers.iter().all(|buffer| buffer.layout.batch_axis.is_none()));
    let text = program.to_string();
    let parsed: Program = text.parse().unwrap_or_else(|error| panic!("{error}"));
    assert!(format!("{parsed:?}") == format!("{program:?}"), "the text reads back as another program");
    assert_golden("lenet5-infer-1.loops", &text);
}

/// Machine code differs from host to host, but every function is there, as CLIF and as assembly.
#[test]
fn functions_of_a_small_net() {
    let graph = small_net();
    let options = CompileOptions { keep_text: true, ..CompileOptions::train(16) };
    let compiled = compile(&graph, &options).unwrap();
    assert!(compiled.texts.len() >= compiled.lowered.program.kernels.len());
    for stage in [Stage::Clif, Stage::Asm] {
        let text = dump(&graph, stage, &options).unwrap();
        assert!(text.starts_with(&format!("; {}\n", compiled.target)), "{text}");
        let head = |name: &str| text.find(&format!("\n; {name}\n")).unwrap_or_else(|| panic!("no {name} in\n{text}"));
        let mut heads: Vec<usize> = compiled.texts.iter().map(|function| head(&function.name)).collect();
        assert!(heads.is_sorted(), "{}: functions stand in the order of compilation", stage.name());
        heads.push(text.len());
        for (span, function) in heads.windows(2).zip(&compiled.texts) {
            let body = text[span[0]..span[1]].trim();
            assert!(body.lines().count() > 4, "{} of {} is empty:\n{body}", stage.name(), function.name);
        }
    }
    let again = dump(&graph, Stage::Asm, &options).unwrap();
    assert_eq!(again, dump(&graph, Stage::Asm, &options).unwrap(), "the same graph gives the same code");
}

/// The first case of the fusion tests that trains.
fn small_net() -> Graph {
    let text = fs::read_to_string(filetests().join("passes/fusion/dense.gir")).unwrap();
    let case = split_cases(&text)[0];
    parse_case(case.split_once(EXPECT).map_or(case, |(input, _)| input), "dense.gir")
}

#[test]
fn fusion() {
    let mut files: Vec<PathBuf> =
        fs::read_dir(filetests().join("passes/fusion")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    let failures: Vec<String> = files.iter().flat_map(|file| check_file(file)).collect();
    assert!(failures.is_empty(), "{}\n\nGRAPHC_BLESS=1 writes the new text.", failures.join("\n\n"));
}

/// Runs every case of a file; gives what is wrong with it.
fn check_file(file: &Path) -> Vec<String> {
    let place = file.file_name().expect("a file").to_string_lossy();
    let old = fs::read_to_string(file).unwrap();
    let cases = split_cases(&old);
    assert!(!cases.is_empty(), "{place} has no line `{HEADER}`");
    let mut failures = Vec::new();
    let mut new = Vec::new();
    for case in cases {
        let input = case.split_once(&format!("\n{EXPECT}\n")).map_or(case, |(input, _)| input).trim_end();
        let graph = parse_case(input, &place);
        let batch = graph.batch.unwrap_or_else(|| panic!("{place}: a case has no batch size"));
        let options = match graph.mode {
            Some(Mode::Infer) => CompileOptions::infer(batch),
            _ => CompileOptions { update: graph.optimizer.is_some(), ..CompileOptions::train(batch) },
        };
        let outcome = dump(&graph, Stage::Fused, &options).unwrap_or_else(|error| panic!("{place}: {error}"));
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
        new.push(format!("{input}\n{EXPECT}\n{}\n", outcome.trim_end()));
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

fn parse_case(input: &str, place: &str) -> Graph {
    input.parse().unwrap_or_else(|error| panic!("{place}: {error}"))
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
    let file = filetests().join(format!("dump/{name}.txt"));
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
    let path = root().join(format!("examples/{name}.graph.json"));
    let experiment = graphc_frontend::load_with(&path, CheckData::No);
    experiment.unwrap_or_else(|diagnostics| panic!("{}", diagnostics.render(false))).graph
}

fn filetests() -> PathBuf {
    root().join("tests/filetests")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
