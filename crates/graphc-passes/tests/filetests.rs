//! Golden tests: `tests/filetests/passes/<pass>/*.gir`, graph text in, graph text and report out.
//!
//! A file holds one or more cases, each `; test: pass <name>`, a graph, and `; expect`, after which
//! stands what the pass makes of it. `GRAPHC_BLESS=1` writes that part; review it as code. Each case
//! is also checked for what must hold for every pass: the verifier accepts the result, and a second
//! run changes nothing.

use graphc_ir::Graph;
use graphc_ir::graph::verify::verify;
use graphc_passes::{PASSES, Report};
use std::fs;
use std::path::{Path, PathBuf};

const HEADER: &str = "; test: pass ";
const EXPECT: &str = "; expect";

#[test]
fn passes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/filetests/passes");
    let mut failures = Vec::new();
    for pass in PASSES {
        let files = gir_files(&root.join(pass.name));
        assert!(!files.is_empty(), "tests/filetests/passes/{} has no .gir file", pass.name);
        for file in files {
            failures.extend(check_file(&file, pass.name));
        }
    }
    assert!(failures.is_empty(), "{}\n\nGRAPHC_BLESS=1 writes the new text.", failures.join("\n\n"));
}

fn gir_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "gir"));
    files.sort();
    files
}

/// Runs every case of a file; gives what is wrong with it.
fn check_file(file: &Path, folder: &str) -> Option<String> {
    let old = fs::read_to_string(file).expect("a readable file");
    let cases = split_cases(&old);
    assert!(!cases.is_empty(), "{} has no line `{HEADER}<name>`", file.display());
    let mut new = String::new();
    for case in cases {
        let pass = case.lines().next().and_then(|line| line.strip_prefix(HEADER)).unwrap_or_default().trim();
        assert_eq!(pass, folder, "{} is in the folder of another pass", file.display());
        let input = case.split_once(EXPECT).map_or(case, |(input, _)| input);
        new.push_str(input.trim_end());
        new.push_str(&format!("\n{EXPECT}\n{}\n", outcome(pass, input, file)));
    }
    let new = format!("{}\n", new.trim_end());
    if old == new {
        return None;
    }
    if std::env::var_os("GRAPHC_BLESS").is_some() {
        fs::write(file, new).expect("a writable file");
        return None;
    }
    Some(format!("{}: the outcome changed; it is now\n{new}", file.display()))
}

/// Each case from its header to the next.
fn split_cases(text: &str) -> Vec<&str> {
    let starts: Vec<usize> = text.match_indices(HEADER).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(&start, end)| &text[start..end]).collect()
}

/// The report as comments and the graph after the pass.
fn outcome(pass: &str, input: &str, file: &Path) -> String {
    let place = file.display();
    let mut graph: Graph = input.parse().unwrap_or_else(|error| panic!("{place}: {error}"));
    assert_valid(&graph, &format!("{place}: before {pass}"));
    let report = run(pass, &mut graph);
    assert_valid(&graph, &format!("{place}: after {pass}"));
    let result = graph.compacted();
    let again = run(pass, &mut graph);
    assert!(again.is_unchanged(), "{place}: {pass} is not idempotent: {again}");
    let report: Vec<String> = report.to_string().lines().map(|line| format!("; {line}\n")).collect();
    format!("{}{result}", report.concat())
}

fn run(name: &str, graph: &mut Graph) -> Report {
    let pass = PASSES.iter().find(|pass| pass.name == name).unwrap_or_else(|| panic!("no pass `{name}`"));
    (pass.run)(graph)
}

fn assert_valid(graph: &Graph, when: &str) {
    let findings: Vec<String> = verify(graph).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{when}:\n{}\n{graph}", findings.join("\n"));
}
