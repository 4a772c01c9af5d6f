//! `graphc tune` and the commands that use what it stores: files, fields and messages, never times.

use crate::common::folder::Folder;
use serde_json::{Value, json};
use std::ops::Deref;
use std::path::PathBuf;

const GRAPH: &str = r#"{ "graphc": 1, "name": "tiny",
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
  "data": { "format": "synthetic", "samples": 64, "seed": 1 } }
"#;

/// A folder with that file.
struct Tiny(Folder);

impl Deref for Tiny {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.0
    }
}

impl Tiny {
    fn new() -> Tiny {
        Tiny(Folder::with(&[("tiny.graph.json", GRAPH.as_bytes())]))
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }

    fn tune(&self, more: &[&str]) -> Value {
        self.json(&[&["tune", "tiny.graph.json", "--seconds", "0.05", "--threads", "1", "--json"], more].concat())
    }

    fn bench(&self, more: &[&str]) -> Value {
        self.json(&[&["bench", "tiny.graph.json", "--seconds", "0.01", "--threads", "1", "--json"], more].concat())
    }

    /// Losses of a short training run, and whether it says that it uses tuned choices.
    fn train(&self, out: &str, more: &[&str]) -> (Vec<Value>, bool) {
        let train = |more: &[&str]| self.ok(&[&["train", "tiny.graph.json"], more].concat());
        let text = train(&[&["--json", "--out", out], more].concat());
        let losses = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["loss"].clone());
        let human = train(&[&["--out", &format!("{out}-2")], more].concat());
        (losses.collect(), human.contains(" tuned) in "))
    }
}

fn files(result: &Value) -> Vec<PathBuf> {
    result["stored"].as_array().unwrap().iter().map(|path| PathBuf::from(path.as_str().unwrap())).collect()
}

#[test]
fn what_tune_stores_is_used() {
    let tiny = Tiny::new();
    assert_eq!(tiny.bench(&[])["tuned"], false);
    let result = tiny.tune(&[]);
    assert_eq!((&result["graph"], &result["mode"], &result["batch"]), (&json!("tiny"), &json!("train"), &json!(16)));
    assert!(result["tried"].as_u64().unwrap() > 0, "{result}");
    assert!(result["speedup"].as_f64().unwrap() >= 1.0, "{result}");
    let kernels = result["kernels"].as_array().unwrap();
    assert!(!kernels.is_empty());
    for kernel in kernels {
        assert!(kernel["before_ms"].as_f64().unwrap() > 0.0 && kernel["after_ms"].as_f64().unwrap() > 0.0, "{kernel}");
        for choice in kernel["choices"].as_array().unwrap() {
            assert_ne!(choice["before"], choice["after"]);
        }
    }
    let [file] = &files(&result)[..] else { panic!("{result}") };
    assert!(file.starts_with(tiny.path("cache")) && file.is_file(), "{}", file.display());

    assert_eq!(tiny.bench(&[])["tuned"], true);
    assert_eq!(tiny.bench(&["--untuned"])["tuned"], false);
    // Another step, or the same one made of other instructions, or of another graph.
    for more in [["--batch", "17"], ["--isa", "baseline"]] {
        assert_eq!(tiny.bench(&more)["tuned"], false, "{more:?}");
    }
    std::fs::write(tiny.path("tiny.graph.json"), GRAPH.replace("\"units\": 5", "\"units\": 6")).unwrap();
    assert_eq!(tiny.bench(&[])["tuned"], false);
}

#[test]
fn results_do_not_depend_on_choices() {
    let tiny = Tiny::new();
    let (losses, tuned) = tiny.train("by-cost", &[]);
    assert!(!tuned);
    let file = files(&tiny.tune(&[])).remove(0);
    // Choices that are there for certain, unlike those of a run that is too short to measure anything.
    let mut content: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    content["choices"] = json!([
        { "contraction": "hidden.matmul", "what": "grid", "option": 1 },
        { "contraction": "hidden.matmul", "what": "packing", "option": 1 },
        { "contraction": "hidden.kernel.grad", "what": "grid", "option": 1 },
    ]);
    std::fs::write(&file, content.to_string()).unwrap();
    assert_eq!(tiny.train("tuned", &[]), (losses.clone(), true));
    assert_eq!(tiny.train("untuned", &["--untuned"]), (losses, false));
}

#[test]
fn a_broken_file_is_ignored_with_a_warning() {
    let tiny = Tiny::new();
    let file = files(&tiny.tune(&[])).remove(0);
    std::fs::write(&file, "{ \"key\": 3").unwrap();
    let bench = ["bench", "tiny.graph.json", "--seconds", "0.01", "--json"];
    let (stdout, stderr) = tiny.both(&bench);
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["tuned"], false);
    assert!(stderr.starts_with("warning: ignored ") && stderr.contains(&*file.to_string_lossy()), "{stderr}");
    // Nobody asks for it.
    assert_eq!(tiny.both(&[&bench[..], &["--untuned"]].concat()).1, "");
}

/// `bench --infer` computes predictions only, `eval` the loss too: both use what is found.
#[test]
fn inference_has_two_steps() {
    let tiny = Tiny::new();
    let result = tiny.tune(&["--infer"]);
    assert_eq!(result["mode"], "infer");
    assert_eq!(files(&result).len(), 2);
    assert_eq!(tiny.bench(&["--infer"])["tuned"], true);
    assert_eq!(tiny.bench(&[])["tuned"], false);
    // Validation evaluates in batches of 16 as well.
    assert!(tiny.train("run", &[]).1);
}

#[test]
fn the_table_is_for_people() {
    let tiny = Tiny::new();
    let table = tiny.ok(&["tune", "tiny.graph.json", "--seconds", "0.05", "--threads", "1"]);
    assert!(table.starts_with("tiny: training step of 16 samples, 1 thread, "), "{table}");
    assert!(table.contains(" alternatives tried") && table.contains("times as fast"), "{table}");
    assert!(table.contains("\nStored in "), "{table}");
    let table = tiny.ok(&["bench", "tiny.graph.json", "--seconds", "0.01"]);
    assert!(table.lines().any(|line| line.contains("Schedule") && line.contains("tuned")), "{table}");
}

#[test]
fn mistakes_are_explained() {
    let tiny = Tiny::new();
    let output = tiny.run(&["tune", "tiny.graph.json", "--seconds", "0"]);
    assert_eq!(output.status.code(), Some(2));
    std::fs::write(tiny.path("cache"), "a file").unwrap();
    let output = tiny.run(&["tune", "tiny.graph.json", "--seconds", "0.01", "--threads", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("cannot make the folder: File exists") && message.contains("cache"), "{message}");
}
