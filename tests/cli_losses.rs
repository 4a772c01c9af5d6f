//! Several losses, labels of sequences and ignored ones, targets that the network computes, warnings: through the built
//! program.

use crate::common::folder::Folder;
use serde_json::Value;
use std::fs;

/// Five labels a sample, of which the last ones are padding, and a copy of the input.
const GRAPH: &str = r#"{ "graphc": 1, "name": "net",
  "inputs": { "x": { "shape": ["N", 6] }, "y": { "shape": ["N", 5], "dtype": "i32" } },
  "nodes": [
    { "name": "hidden", "op": "dense", "inputs": "x", "units": 8, "activation": "tanh" },
    { "name": "copy", "op": "dense", "inputs": "hidden", "units": 6 },
    { "name": "rows", "op": "dense", "inputs": "hidden", "units": 15 },
    { "name": "scores", "op": "reshape", "shape": ["N", 5, 3] } ],
  "loss": [
    { "op": "categorical_crossentropy", "prediction": "scores", "target": "y", "from_logits": true, "ignore_label": 9 },
    { "op": "mean_squared_error", "prediction": "copy", "target": "x", "weight": 0.5, "name": "picture" } ],
  "metrics": ["accuracy", "perplexity"],
  "optimizer": { "op": "adam", "learning_rate": 0.02 },
  "train": { "batch_size": 16, "epochs": 4, "validation_split": 0.2 },
  "data": { "format": "idx", "scale": 0.0078125, "train": { "x": "x", "y": "y" }, "test": { "x": "x", "y": "y" } } }
"#;

fn idx(shape: &[usize], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|&size| bytes.extend((size as u32).to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn folder(graph: &str) -> Folder {
    const N: usize = 100;
    let x: Vec<u8> = (0..N * 6).map(|i| ((i * 89 + i / 6 % 3 * 70) % 251) as u8).collect();
    let label = |sample: usize, place: usize| if place > sample % 5 { 9 } else { ((sample + place) % 3) as u8 };
    let y: Vec<u8> = (0..N).flat_map(|sample| (0..5).map(move |place| label(sample, place))).collect();
    Folder::with(&[("net.graph.json", graph.as_bytes()), ("x", &idx(&[N, 6], &x)), ("y", &idx(&[N, 5], &y))])
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn near(value: &Value, expected: f64) -> bool {
    value.as_f64().is_some_and(|value| (value - expected).abs() < 1e-5 * expected.abs().max(1.0))
}

#[test]
fn several_losses_are_told_of_and_verified() {
    let folder = folder(GRAPH);
    let told = lines(&folder.ok(&["train", "net.graph.json", "--json", "--out", "run"]));
    let number = |line: &Value, name: &str| line[name].as_f64().unwrap_or_else(|| panic!("no {name} in {line}"));
    for line in &told[..4] {
        assert!(near(&line["loss"], number(line, "scores_loss") + 0.5 * number(line, "picture_loss")), "{line}");
        let sum = number(line, "val_scores_loss") + 0.5 * number(line, "val_picture_loss");
        assert!(near(&line["val_loss"], sum), "{line}");
    }
    // Three classes, of which there are as many each.
    let of_epoch = |epoch: usize| number(&told[epoch], "scores_loss");
    assert!(of_epoch(0) < 1.2 && of_epoch(3) < of_epoch(0) - 0.05, "{told:?}");
    let test = &told[4];
    assert!(near(&test["test_loss"], number(test, "test_scores_loss") + 0.5 * number(test, "test_picture_loss")));
    let history = fs::read_to_string(folder.path("run/history.csv")).unwrap();
    let header = "epoch,loss,accuracy,val_loss,val_accuracy,seconds,learning_rate,val_scores_loss,val_picture_loss,\
                  val_perplexity,scores_loss,picture_loss\n";
    assert!(history.starts_with(header), "{history}");
    let receipt: Value = serde_json::from_slice(&fs::read(folder.path("run/receipt.json")).unwrap()).unwrap();
    assert_eq!(receipt["epochs"][1]["measured"]["losses"][1][0], "picture_loss");
    folder.ok(&["verify", "run"]);
    folder.ok(&["report", "run"]);
    folder.ok(&["check", "net.graph.json", "--batch", "4"]);
    let eval = folder.ok(&["eval", "net.graph.json", "--weights", "run/model.safetensors"]);
    assert!(
        eval.contains("\nscores_loss ") && eval.contains("\npicture_loss ") && eval.contains("\nperplexity "),
        "{eval}"
    );

    // A label that is neither a class nor ignored.
    let other = GRAPH.replace("\"ignore_label\": 9", "\"ignore_label\": 8");
    fs::write(folder.path("net.graph.json"), other).unwrap();
    let refused = folder.fails(1, &["train", "net.graph.json", "--out", "other"]);
    assert!(refused.contains("has label 9, but `y` has 3 classes"), "{refused}");
}

#[test]
fn a_loss_may_compare_nodes_or_nothing() {
    let nodes = r#"{ "name": "fixed", "op": "stop_gradient", "inputs": "hidden" },
    { "name": "copy", "#;
    let loss = r#"[ { "op": "cosine_similarity", "prediction": "twin", "target": "fixed" },
    { "op": "mean", "prediction": "lack", "weight": 0.1 } ],
  "metrics": ["mae"],"#;
    let nodes = GRAPH.replacen(r#"{ "name": "copy", "#, nodes, 1).replacen(
        r#"{ "name": "rows","#,
        r#"{ "name": "twin", "op": "dense", "inputs": "copy", "units": 8 },
    { "name": "lack", "op": "triplet_margin", "inputs": ["twin", "fixed", "hidden"] },
    { "name": "rows","#,
        1,
    );
    let (before, after) = nodes.split_once("\"loss\": ").unwrap();
    let after = after.split_once("\"metrics\": [\"accuracy\", \"perplexity\"],").unwrap().1;
    let folder = folder(&format!("{before}\"loss\": {loss}{after}"));
    let told = lines(&folder.ok(&["train", "net.graph.json", "--json", "--out", "run"]));
    let loss = |line: &Value| line["val_twin_loss"].as_f64().unwrap();
    assert!(loss(&told[3]) < loss(&told[0]) && loss(&told[3]) >= -1.0, "{told:?}");
    assert!(told[3]["val_mae"].as_f64().is_some(), "{told:?}");
    folder.ok(&["report", "run"]);
}

#[test]
fn what_may_be_a_mistake_does_not_keep_from_training() {
    let graph = GRAPH.replacen(r#""units": 15 }"#, r#""units": 15, "activation": "relu" }"#, 1);
    let folder = folder(&graph);
    for command in [&["summary", "net.graph.json"][..], &["train", "net.graph.json", "--epochs", "1", "--out", "run"]] {
        let output = folder.run(command);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        let expected = "warning: categorical_crossentropy takes logits (`from_logits`), but `scores` is never negative";
        assert!(told.contains(expected), "{told}");
    }
}
