//! What is printed for people fits a terminal of 80 columns.

use crate::common::folder::{Folder, text};

const GRAPH: &str = r#"{ "graphc": 1, "name": "net",
  "inputs": { "image": { "shape": ["N", 6, 6, 2] }, "label": { "shape": ["N"], "dtype": "i32" } },
  "nodes": [
    { "name": "convolution_with_a_name", "op": "conv2d", "inputs": "image", "filters": 5, "kernel": 3, "activation": "relu" },
    { "name": "norm", "op": "batch_norm" },
    { "name": "flat", "op": "flatten" },
    { "name": "scores", "op": "dense", "units": 10 },
    { "name": "probabilities", "op": "softmax" } ],
  "loss": { "op": "categorical_crossentropy", "prediction": "probabilities", "target": "label" },
  "metrics": ["accuracy", "top_3", "precision", "recall", "f1", "confusion_matrix"],
  "train": { "batch_size": 24, "epochs": 2, "validation_split": 0.2, "schedule": { "op": "cosine" } },
  "data": { "format": "synthetic", "samples": 4800, "test_samples": 2000, "seed": 3 } }
"#;

/// What a command says, each line of at most 80 characters.
#[track_caller]
fn fitting(folder: &Folder, args: &[&str]) -> String {
    let output = folder.command(args).env("COLUMNS", "80").output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    let said = text(&output.stdout);
    let wide: Vec<&str> = said.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{args:?}: {wide:#?}");
    said
}

#[test]
fn lines_have_at_most_80_characters() {
    let folder = Folder::with(&[("net.graph.json", GRAPH.as_bytes())]);
    let long = format!("runs/{}", "a-long-name-".repeat(9));
    for run in ["runs/one", &long] {
        folder.ok(&["train", "net.graph.json", "--out", run, "--quiet", "--lr", "0.0012345678"]);
    }
    let said = fitting(&folder, &["train", "net.graph.json", "--out", "runs/two", "--lr", "0.0012345678"]);
    assert!(said.contains("4,800 training samples, batch size 24, ") && said.contains("Best epoch: "), "{said}");
    assert!(said.lines().any(|line| line.starts_with("epoch ") && line.ends_with(" *")), "{said}");
    let table = fitting(&folder, &["runs"]);
    assert!(table.contains("No room for: batch, ") && table.contains("test acc"), "{table}");
    fitting(&folder, &["eval", "net.graph.json", "--weights", "runs/one/model.safetensors"]);
    fitting(&folder, &["predict", "net.graph.json", "--weights", "runs/one/model.safetensors", "0"]);
    fitting(&folder, &["summary", "net.graph.json"]);
    fitting(&folder, &["check", "net.graph.json", "--batch", "2"]);
    for command in ["bench", "profile"] {
        fitting(&folder, &[command, "net.graph.json", "--seconds", "0.02"]);
    }
}

#[test]
fn help_has_at_most_80_characters() {
    let folder = Folder::with(&[]);
    let help = fitting(&folder, &["--help"]);
    let (_, commands) = help.split_once("Commands:\n").expect("a list of commands");
    let commands: Vec<&str> = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.contains(&"train") && commands.contains(&"report"), "{commands:?}");
    let known =
        ["train", "eval", "predict", "summary", "run", "runs", "report", "dump", "check", "bench", "profile", "tune"];
    for command in commands.into_iter().filter(|command| known.contains(command)) {
        for help in ["--help", "-h"] {
            fitting(&folder, &[command, help]);
        }
    }
}
