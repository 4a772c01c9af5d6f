//! Text as data: trained on, gone on with, verified, continued by `graphc generate`, and what is said of what does
//! not fit.

use crate::common::folder::Folder;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A window of 6 characters, and which follows.
fn graph(classes: usize, data: &str) -> String {
    format!(
        r#"{{ "graphc": 1, "name": "next",
  "inputs": {{ "text": {{ "shape": ["N", 6], "dtype": "i32" }}, "next": {{ "shape": ["N"], "dtype": "i32" }} }},
  "nodes": [
    {{ "name": "vectors", "op": "embedding", "inputs": "text", "input_dim": {classes}, "output_dim": 8 }},
    {{ "name": "window", "op": "flatten" }},
    {{ "name": "hidden", "op": "dense", "units": 32, "activation": "tanh" }},
    {{ "name": "scores", "op": "dense", "units": {classes} }},
    {{ "name": "probabilities", "op": "softmax" }} ],
  "loss": {{ "op": "categorical_crossentropy", "prediction": "probabilities", "target": "next" }},
  "metrics": ["accuracy"],
  "optimizer": {{ "op": "adam", "learning_rate": 0.01 }},
  "train": {{ "batch_size": 32, "epochs": 8, "validation_split": 0.1 }},
  "data": {{ {data} }} }}
"#
    )
}

/// Two lines over and over: each window says what follows. There are 17 characters.
fn lines() -> String {
    "six zebras jump.\nfive öxen nod.\n".repeat(60)
}

const DATA: &str = r#""train": "lines.txt", "test_split": 0.1"#;

fn folder(classes: usize, data: &str) -> Folder {
    let graph = graph(classes, data);
    Folder::with(&[("next.graph.json", graph.as_bytes()), ("lines.txt", lines().as_bytes())])
}

fn n_characters() -> usize {
    let mut characters: Vec<char> = lines().chars().collect();
    characters.sort_unstable();
    characters.dedup();
    characters.len()
}

fn trained(classes: usize, data: &str) -> Folder {
    let folder = folder(classes, data);
    folder.ok(&["train", "next.graph.json", "--out", "run"]);
    folder
}

fn generate(folder: &Folder, options: &[&str]) -> String {
    folder.ok(&[&["generate", "next.graph.json", "--weights", "run"], options].concat())
}

#[test]
fn what_was_learnt_is_written() {
    let folder = trained(n_characters(), DATA);
    let run: Value = serde_json::from_slice(&fs::read(folder.path("run/run.json")).unwrap()).unwrap();
    let accuracy = run["results"]["test_accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.99, "{run}");
    let greedy = ["--prompt", "six zeb", "--length", "25", "--temperature", "0"];
    let expected = "six zebras jump.\nfive öxen nod.\ns";
    assert_eq!(generate(&folder, &greedy), expected[..33]);
    // A prompt that is shorter than the window.
    assert_eq!(generate(&folder, &["--length", "3", "--temperature", "0", "--top-k", "1"]).chars().count(), 4);
    let wild = |seed: &str| generate(&folder, &["--temperature", "3", "--seed", seed]);
    assert_eq!(wild("1").chars().count(), 201);
    assert!(wild("1") == wild("1") && wild("1") != wild("2"));
    // What measures the end of the text measures the same.
    let eval = ["eval", "next.graph.json", "--weights", "run/model.safetensors", "--json"];
    let eval: Value = serde_json::from_str(&folder.ok(&eval)).unwrap();
    assert_eq!(eval["test_accuracy"].as_f64(), Some(accuracy));
    let table = folder.ok(&["show", "next.graph.json", "--samples", "1", "--augmented", "1"]);
    assert!(table.contains("epoch 1") && table.contains("six ze"), "{table}");
}

/// Windows that begin elsewhere in each epoch are the same on any threads and instructions, and after an interruption.
#[test]
fn runs_are_repeated_and_gone_on_with() {
    let windows = r#""train": "lines.txt", "stride": 3"#;
    for data in [DATA, windows] {
        let folder = folder(n_characters(), data);
        folder.ok(&["train", "next.graph.json", "--out", "run", "--epochs", "4", "--threads", "2"]);
        folder.ok(&["verify", "run", "--threads", "1", "--isa", "portable"]);
        folder.ok(&["train", "next.graph.json", "--out", "other", "--epochs", "2", "--checkpoint-every", "1e"]);
        folder.ok(&["train", "--resume", "other", "--epochs", "4"]);
        let weights = |run: &str| fs::read(folder.path(run).join("model.safetensors")).unwrap();
        assert!(weights("run") == weights("other"), "{data}");
        let mut bytes = fs::read(folder.path("lines.txt")).unwrap();
        bytes[3] = b'x';
        fs::write(folder.path("lines.txt"), bytes).unwrap();
        let message = folder.run(&["verify", "run"]);
        assert!(!message.status.success());
        assert!(String::from_utf8(message.stderr).unwrap().contains("lines.txt"));
    }
}

#[test]
fn bytes_and_unknown_characters() {
    let folder = trained(256, r#""train": "lines.txt", "level": "bytes""#);
    let text = generate(&folder, &["--prompt", "ump.\nfive ö", "--length", "3", "--temperature", "0"]);
    assert_eq!(text, "ump.\nfive öxen");
    // Half of a character, as it is: this is no terminal.
    let half = ["--prompt", "ump.\nfive ", "--length", "1", "--temperature", "0"];
    let output = folder.run(&[&["generate", "next.graph.json", "--weights", "run"], &half[..]].concat());
    assert_eq!(output.stdout, b"ump.\nfive \xc3");
    let n = n_characters() + 1;
    let folder = trained(n, r#""train": "lines.txt", "unknown": "class""#);
    let text = generate(&folder, &["--prompt", "?!six zeb", "--length", "4", "--temperature", "0"]);
    assert_eq!(text, "?!six zebras ");
}

#[test]
fn what_does_not_fit_is_told() {
    let folder = trained(n_characters(), DATA);
    let of = ["generate", "next.graph.json", "--weights", "run"];
    assert_eq!(
        folder.fails(1, &[&of[..], &["--prompt", "six Zebras"]].concat()),
        "error: character 5 of the prompt is 'Z' (U+005A), which the training text has not\n"
    );
    assert_eq!(
        folder.fails(1, &[&of[..], &["--prompt", ""]].concat()),
        "error: the prompt is empty, expected at least one character\n"
    );
    assert_eq!(
        folder.fails(1, &["predict", "next.graph.json", "--weights", "run/model.safetensors", "0"]),
        "error: the data is text, which `graphc generate` continues; `graphc eval` measures it\n"
    );
    let message = folder.fails(2, &[&of[..], &["--temperature", "-1"]].concat());
    assert!(message.contains("expected a number from 0 to 1000"), "{message}");
    fs::write(folder.path("other.graph.json"), graph(n_characters(), r#""format": "synthetic", "samples": 9"#))
        .unwrap();
    assert_eq!(
        folder.fails(1, &["generate", "other.graph.json", "--weights", "run"]),
        "error: other.graph.json: its `data` is no text; a network writes in the characters of the text it was trained on\n"
    );
    fs::write(folder.path("validation.txt"), "six Zebras jump.").unwrap();
    let data = r#""train": "lines.txt", "validation": "validation.txt""#;
    fs::write(folder.path("next.graph.json"), graph(n_characters(), data)).unwrap();
    let message = folder.fails(1, &["train", "next.graph.json"]);
    assert_eq!(
        message,
        "error: validation.txt: line 1, column 5: the training text has no 'Z' (U+005A); `\"unknown\": \"class\"` gives all \
         such characters a number\n"
    );
    fs::write(folder.path("next.graph.json"), graph(10, DATA)).unwrap();
    let message = folder.fails(1, &["train", "next.graph.json"]);
    let n = n_characters();
    assert_eq!(
        message,
        format!(
            "error: lines.txt: the text has {n} different characters, but `text` is looked up in a table of 10 rows; \
             `input_dim` needs {n}\n"
        )
    );
}

/// Some of the example's text; the whole of it comes to a validation loss below 1.9.
#[test]
fn the_example_learns() {
    let folder = Folder::with(&[]);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/next-character.graph.json");
    let args = ["train", example.to_str().unwrap(), "--limit", "60000", "--epochs", "1", "--json", "--out", "run"];
    let output = folder.ok(&args);
    let loss = output.lines().find_map(|line| serde_json::from_str::<Value>(line).unwrap()["val_loss"].as_f64());
    let loss = loss.unwrap_or_else(|| panic!("{output}"));
    assert!(loss < 2.6, "{loss}");
}
