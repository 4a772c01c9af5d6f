//! The built program on files and arguments from someone else: what it says is short, true and harmless to a terminal.

use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const GRAPH: &str = r#"{ "graphc": 1, "name": "small",
  "inputs": { "x": { "shape": ["N", 4] }, "label": { "shape": ["N"], "dtype": "i32" } },
  "nodes": [ { "name": "p", "op": "dense", "inputs": "x", "units": 3, "activation": "softmax" } ],
  "loss": { "op": "categorical_crossentropy", "prediction": "p", "target": "label" },
  "metrics": ["accuracy"],
  "train": { "epochs": 1, "batch_size": 8 },
  "data": { "format": "synthetic", "samples": 32 } }
"#;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("net.graph.json"), GRAPH).unwrap();
    folder
}

fn run(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_graphc")).args(args).current_dir(folder).output().unwrap()
}

/// Everything that is said, which must be short and free of what a terminal would obey.
#[track_caller]
fn said(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).unwrap()).concat();
    assert!(text.len() < 64 << 10, "{} bytes", text.len());
    assert!(!text.contains(|c: char| graphc_ir::text::is_hidden(c) && c != '\n'), "{text:?}");
    text
}

/// The learning rate may be what it may be in the file, 0 too, and means the same in `f32`.
#[test]
fn learning_rates() {
    let folder = folder();
    let train = |rate: &str| run(folder.path(), &["train", "net.graph.json", "--json", "--out", "run", "--lr", rate]);
    let why = "expected 0, or a number from 1.2e-38 to 3.4e38";
    for rate in ["NaN", "inf", "1e-46", "1e-40", "1e39"] {
        let output = train(rate);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(2), "{rate}: {text}");
        assert!(text.contains(&format!("'{rate}' for '--lr <RATE>': {why}")), "{text}");
    }
    let negative = run(folder.path(), &["train", "net.graph.json", "--lr=-1"]);
    assert!(said(&negative).contains(&format!("'-1' for '--lr <RATE>': {why}")));
    assert!(!folder.path().join("run").exists());
    // With the rate 0 nothing is learnt: the loss of every epoch is the same.
    let output =
        run(folder.path(), &["train", "net.graph.json", "--json", "--out", "run", "--lr", "0", "--epochs", "2"]);
    assert!(output.status.success(), "{}", said(&output));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (first, second) = (lines[0]["loss"].as_f64().unwrap(), lines[1]["loss"].as_f64().unwrap());
    assert!((first - second).abs() < 1e-5, "{first} and {second}");
    std::fs::write(
        folder.path().join("zero.graph.json"),
        GRAPH.replace("\"train\"", "\"optimizer\": { \"op\": \"sgd\", \"learning_rate\": 0 }, \"train\""),
    )
    .unwrap();
    let output = run(folder.path(), &["train", "zero.graph.json", "--json", "--out", "run2"]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn graph_files_that_are_no_files() {
    let folder = folder();
    let check = |path: &str| {
        let output = run(folder.path(), &["summary", path]);
        assert_eq!(output.status.code(), Some(1));
        said(&output)
    };
    if Path::new("/dev/zero").exists() {
        assert_eq!(
            check("/dev/zero"),
            "error: /dev/zero is larger than 16 MiB, too large for a graph file\n\n1 mistake in /dev/zero\n"
        );
    }
    assert!(check(".").starts_with("error: cannot read .: "));
    assert!(check("no\u{1b}[31m.graph.json").starts_with("error: cannot read no\\u{1b}[31m.graph.json: "));
}

#[test]
fn names_with_control_characters_reach_no_terminal() {
    let folder = folder();
    let name = "evil \\u001b]0;title\\u0007\\u009b31m";
    for (file, text) in [
        ("network.graph.json", GRAPH.replace("small", name)),
        ("node.graph.json", GRAPH.replace("\"p\"", &format!("\"{name}\""))),
        ("input.graph.json", GRAPH.replace("\"x\"", &format!("\"{name}\""))),
        ("key.graph.json", GRAPH.replace("\"metrics\"", &format!("\"{name}\""))),
    ] {
        std::fs::write(folder.path().join(file), text).unwrap();
        for command in ["summary", "check", "dump", "train"] {
            let output = run(folder.path(), &[command, file]);
            assert_eq!(output.status.code(), Some(1), "{command} {file}: {}", said(&output));
            assert!(said(&output).contains("1b"), "{}", said(&output));
        }
    }
    assert!(!folder.path().join("runs").exists());
    let gir = "graph \"\\u{1b}[31m\" { %0: f32[] = constant() {value=1.0, shape=[]} \"c\" output o = %0 }";
    std::fs::write(folder.path().join("x.gir"), gir).unwrap();
    let text = said(&run(folder.path(), &["dump", "x.gir"]));
    let expected = "error: x.gir: line 1, column 7: expected the name of the graph, without control characters, \
                    found \"\\u{1b}[31m\"\n";
    assert_eq!(text, expected);
    std::fs::write(folder.path().join("y.gir"), b"graph g {\n\xff}").unwrap();
    let text = said(&run(folder.path(), &["dump", "y.gir"]));
    assert_eq!(text, "error: y.gir: line 2, column 1: expected UTF-8, found the byte 0xff\n");
}

/// The run folder of a network lies in `runs`, whatever the network's name.
#[test]
fn names_that_look_like_paths() {
    let folder = folder();
    for (name, made) in [("../../x", "_.._x-1"), ("/a/b", "_a_b-1"), ("..", "run-1")] {
        std::fs::write(folder.path().join("path.graph.json"), GRAPH.replace("small", name)).unwrap();
        let output = run(folder.path(), &["train", "path.graph.json", "--quiet"]);
        assert!(output.status.success(), "{}", said(&output));
        assert!(folder.path().join("runs").join(made).join("model.safetensors").exists(), "{name}");
    }
    std::fs::write(folder.path().join("markup.graph.json"), GRAPH.replace("small", "<script>&'x")).unwrap();
    assert!(run(folder.path(), &["train", "markup.graph.json", "--quiet", "--out", "run"]).status.success());
    let svg = std::fs::read_to_string(folder.path().join("run/loss.svg")).unwrap();
    assert!(svg.contains("Loss of &lt;script&gt;&amp;&apos;x") && !svg.contains("<script"), "{svg}");
}
