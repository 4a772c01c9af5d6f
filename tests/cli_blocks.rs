//! The built program on networks of blocks and named sizes.

use crate::common::folder::Folder;
use serde_json::Value;

const GRAPH: &str = r#"{ "graphc": 1, "name": "stacked",
  "sizes": { "T": 6, "D": 4 },
  "inputs": { "series": { "shape": ["N", "T", "D"] }, "label": { "shape": ["N"], "dtype": "i32" } },
  "blocks": {
    "layer": {
      "arguments": { "units": null },
      "nodes": [
        { "name": "dense", "op": "dense", "units": "$units" },
        { "name": "norm", "op": "batch_norm" },
        { "name": "act", "op": "relu" } ] } },
  "nodes": [
    { "name": "flat", "op": "flatten", "inputs": "series" },
    { "name": "body", "block": "layer", "units": "2 * $D", "repeat": 2 },
    { "name": "end", "op": "dense", "units": 3 },
    { "name": "probabilities", "op": "softmax" } ],
  "loss": { "op": "categorical_crossentropy", "prediction": "probabilities", "target": "label" },
  "metrics": ["accuracy"],
  "train": { "epochs": 2, "batch_size": 16, "validation_split": 0.25 },
  "data": { "format": "synthetic", "samples": 320, "test_samples": 40, "seed": 5 } }
"#;

fn folder() -> Folder {
    Folder::with(&[("net.graph.json", GRAPH.as_bytes())])
}

#[test]
fn the_summary_has_a_line_a_use_or_all_nodes() {
    let folder = folder();
    let layers = |args: &[&str]| {
        let table = folder.ok(&[&["summary", "net.graph.json"], args].concat());
        let layer = |line: &str| line.strip_prefix(' ').and_then(|line| Some(line.split_once("  ")?.0.to_string()));
        table.lines().filter_map(layer).collect::<Vec<_>>()
    };
    let few = ["Layer (op)", "series (input)", "label (input)", "flat (flatten)", "body (2 x layer)", "end (dense)"];
    assert_eq!(layers(&[]), [&few[..], &["probabilities (softmax)"]].concat());
    let all = layers(&["--expand"]);
    assert_eq!(all[4..7], ["body.0.dense (dense)", "body.0.norm (batch_norm)", "body.0.act (relu)"]);
    let json: Value = serde_json::from_str(&folder.ok(&["summary", "net.graph.json", "--json"])).unwrap();
    assert_eq!((json["layers"][8]["layer"].as_str(), json["parameters"].as_u64()), (Some("body.1.act"), Some(363)));
}

#[test]
fn nodes_of_blocks_say_where_they_come_from() {
    let text = folder().ok(&["dump", "net.graph.json", "--size", "D=8"]);
    assert!(text.contains("body.1.dense.kernel") && text.contains("body.1.dense, line 8"), "{text}");
    assert!(text.contains("f32[16,16]"), "{text}");
}

/// A run with other sizes keeps them: it goes on, and is verified, as if they stood in the file.
#[test]
fn sizes_of_the_command_line_are_those_of_the_run() {
    let folder = folder();
    folder.ok(&["train", "net.graph.json", "--size", "T=3", "--out", "run", "--quiet"]);
    let kept = std::fs::read_to_string(folder.path("run/graph.json")).unwrap();
    assert_eq!(kept, GRAPH.replace("\"T\": 6", "\"T\": 3"));
    folder.ok(&["train", "--resume", "run", "--epochs", "3", "--quiet"]);
    assert!(folder.ok(&["verify", "run"]).contains("Verified: "));
    let weights = "run/model.safetensors";
    folder.ok(&["eval", "net.graph.json", "--weights", weights, "--size", "T=3"]);
    let message = folder.fails(1, &["train", "--resume", "run", "--size", "T=3"]);
    assert!(message.contains("`--size` of a run stays"), "{message}");
    let message = folder.fails(1, &["bench", "net.graph.json", "--size", "W=3"]);
    assert!(message.contains("has no size `W`: it has the sizes `T`, `D`"), "{message}");
    assert!(folder.fails(2, &["summary", "net.graph.json", "--size", "T"]).contains("such as T=128"));
}
