//! A training of a few milliseconds for the tests of files and signals, and what must hold of its folder.

use super::folder::Folder;
use super::watching::names;
use graphc_train::History;
use graphc_train::run::Receipt;
use graphc_train::weights::read_tensors;
use std::fs;
use std::path::Path;
use std::process::Command;

/// On made data, with a test part.
pub(crate) const GRAPH: &str = r#"{ "graphc": 1, "name": "tiny",
  "inputs": { "image": { "shape": ["N", 2, 2, 3] }, "label": { "shape": ["N"], "dtype": "i32" } },
  "nodes": [
    { "name": "flat", "op": "flatten", "inputs": "image" },
    { "name": "hidden", "op": "dense", "units": 5, "activation": "tanh" },
    { "name": "scores", "op": "dense", "units": 3 },
    { "name": "probabilities", "op": "softmax" } ],
  "loss": { "op": "categorical_crossentropy", "prediction": "probabilities", "target": "label" },
  "metrics": ["accuracy"],
  "optimizer": { "op": "adam", "learning_rate": 0.01 },
  "train": { "batch_size": 16, "epochs": 2, "validation_split": 0.25 },
  "data": { "format": "synthetic", "samples": 64, "test_samples": 16, "seed": 1 } }
"#;

/// A folder with `tiny.graph.json`.
pub(crate) fn graph() -> Folder {
    Folder::with(&[("tiny.graph.json", GRAPH.as_bytes())])
}

/// A script in which `$0` is the program.
pub(crate) fn sh(folder: &Folder, script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_graphc")]).current_dir(folder.path("."));
    command.env("GRAPHC_CACHE_DIR", folder.path("cache"));
    command
}

/// No file of a run of `n_epochs` that is there under its name is a part of one.
#[track_caller]
pub(crate) fn assert_whole(run: &Path, n_epochs: usize) {
    for name in names(run) {
        let path = run.join(&name);
        match name.as_str() {
            "model.safetensors" => assert_eq!(read_tensors(&path).unwrap().len(), 4),
            "history.csv" => assert!(History::read_csv(&path).unwrap().records.len() <= n_epochs),
            "run.json" => {
                let run: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                assert!(run["results"]["epochs_finished"].as_u64() <= Some(n_epochs as u64));
            }
            "receipt.json" => drop(Receipt::parse(&fs::read(&path).unwrap(), &path).unwrap()),
            "graph.json" => assert!(fs::read_to_string(&path).unwrap().trim_end().ends_with('}')),
            "checkpoint" => {}
            "loss.svg" | "accuracy.svg" => {
                assert!(fs::read_to_string(&path).unwrap().trim_end().ends_with("</svg>"), "{}", path.display());
            }
            name => assert!(name.starts_with(".graphc-"), "{name}"),
        }
    }
}
