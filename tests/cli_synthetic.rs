//! The built program on synthetic data: it can be learnt from, it is the same every time, and every command that reads
//! data reads this too.

use serde_json::Value;
use std::process::{Command, Output};
use tempfile::TempDir;

const GRAPH: &str = r#"{ "graphc": 1, "name": "made_up",
  "inputs": { "image": { "shape": ["N", 6, 6, 1] }, "label": { "shape": ["N"], "dtype": "i32" } },
  "nodes": [
    { "name": "conv", "op": "conv2d", "inputs": "image", "filters": 4, "kernel": 3, "strides": 2, "activation": "tanh" },
    { "name": "flat", "op": "flatten" },
    { "name": "probabilities", "op": "dense", "units": 3, "activation": "softmax" } ],
  "loss": { "op": "categorical_crossentropy", "prediction": "probabilities", "target": "label" },
  "metrics": ["accuracy"],
  "optimizer": { "op": "adam", "learning_rate": 0.02 },
  "train": { "epochs": 3, "batch_size": 16, "validation_split": 0.25 },
  "data": { "format": "synthetic", "samples": 320, "test_samples": 40, "seed": 5 } }
"#;

/// A folder with a graph file and nothing else.
struct Folder(TempDir);

impl Folder {
    fn new(graph: &str) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        std::fs::write(folder.0.path().join("net.graph.json"), graph).unwrap();
        folder
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_graphc")).args(args).current_dir(self.0.path()).output().unwrap()
    }

    /// Stdout of a command that must succeed.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?} failed:\n{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Stderr of a command that must fail.
    fn fails(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}:\n{}", text(&output.stderr));
        text(&output.stderr)
    }

    /// The JSON lines of a training to `out`, without times and without that name.
    fn train(&self, out: &str, extra: &[&str]) -> Vec<Value> {
        let stdout = self.ok(&[&["train", "net.graph.json", "--json", "--out", out], extra].concat());
        let mut lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in &mut lines {
            let fields = line.as_object_mut().unwrap();
            ["seconds", "compile_ms", "step_ms_median", "first_step_ms", "peak_rss_mb", "run"]
                .iter()
                .for_each(|time| drop(fields.remove(*time)));
        }
        lines
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn training_learns_and_repeats_itself() {
    let folder = Folder::new(GRAPH);
    let lines = folder.train("a", &[]);
    let number = |line: usize, field: &str| lines[line][field].as_f64().unwrap();
    assert!(number(1, "loss") < number(0, "loss") && number(2, "loss") < number(1, "loss"), "{lines:?}");
    // Of three classes; test samples are of the same kinds as training samples.
    assert!(number(2, "val_accuracy") > 0.8 && number(3, "test_accuracy") > 0.8, "{lines:?}");
    assert_eq!(folder.train("b", &[]), lines);
    assert_ne!(folder.train("limited", &["--limit", "64"]), lines);

    let other_seed = Folder::new(&GRAPH.replace("\"seed\": 5", "\"seed\": 6"));
    assert_ne!(other_seed.train("a", &[]), lines);
}

#[test]
fn eval_and_predict_read_the_test_samples() {
    let folder = Folder::new(GRAPH);
    let lines = folder.train("a", &[]);
    let eval = folder.ok(&["eval", "net.graph.json", "--weights", "a/model.safetensors", "--json"]);
    let eval: Value = serde_json::from_str(&eval).unwrap();
    assert_eq!((&eval["test_loss"], &eval["samples"]), (&lines[3]["test_loss"], &40.into()));

    let numbers: Vec<String> = (0..41).map(|number| number.to_string()).collect();
    let predict = ["predict", "net.graph.json", "--json", "--weights", "a/model.safetensors"];
    let all: Vec<&str> = numbers[..40].iter().map(String::as_str).collect();
    let predicted = folder.ok(&[&predict[..], &all].concat());
    let classes = |class: usize| predicted.matches(&format!("\"class\":{class}")).count();
    assert!((0..3).all(|class| classes(class) > 2), "test samples are of all classes: {predicted}");
    let message = folder.fails(&[&predict[..], &["40"]].concat());
    assert_eq!(message, "error: synthetic data: no sample 40: there are 40\n");
}

#[test]
fn test_samples_may_be_left_out() {
    let folder = Folder::new(&GRAPH.replace(" \"test_samples\": 40,", ""));
    assert_eq!(folder.train("a", &["--epochs", "1"])[1]["test_loss"], Value::Null);
    assert_eq!(
        folder.fails(&["eval", "net.graph.json", "--weights", "a/model.safetensors"]),
        "error: net.graph.json: `data` says no test samples to evaluate on\n"
    );
    assert_eq!(
        folder.fails(&["predict", "net.graph.json", "--weights", "a/model.safetensors", "0"]),
        "error: sample 0: the graph file names no test data\n"
    );
}

#[test]
fn a_regression_has_something_to_learn() {
    let folder = Folder::new(
        r#"{ "graphc": 1,
        "inputs": { "x": { "shape": ["N", 64] }, "y": { "shape": ["N", 2] } },
        "nodes": [
          { "name": "hidden", "op": "dense", "inputs": "x", "units": 16, "activation": "tanh" },
          { "name": "result", "op": "dense", "units": 2 } ],
        "loss": { "op": "mean_squared_error", "prediction": "result", "target": "y" },
        "optimizer": { "op": "adam", "learning_rate": 0.01 },
        "train": { "epochs": 20 },
        "data": { "format": "synthetic", "samples": 640 } }"#,
    );
    let lines = folder.train("a", &[]);
    // A uniform byte and noise of the same spread: the variance is 2 / 12 / 4, and half of it is noise.
    let variance = 1.0 / 24.0;
    assert!(lines[19]["loss"].as_f64().unwrap() < 0.7 * variance, "{lines:?}");
}

/// Words, looked up, cut and joined; made-up words say what the label is.
#[test]
fn the_example_of_words_learns_its_topics() {
    let folder = Folder::new(include_str!("../examples/topics.graph.json"));
    let lines = folder.train("a", &["--threads", "1"]);
    let accuracy = lines.last().and_then(|line| line["test_accuracy"].as_f64()).unwrap();
    assert!(accuracy > 0.97, "{accuracy}");
    assert_eq!(folder.train("b", &["--threads", "2"]), lines);
}

#[test]
fn too_many_samples_are_refused_before_memory_is_taken() {
    let folder = Folder::new(&GRAPH.replace("320", "10000000").replace("[\"N\", 6, 6, 1]", "[\"N\", 600, 600, 1]"));
    assert_eq!(
        folder.fails(&["train", "net.graph.json"]),
        "error: 10000000 synthetic samples of the input `image` (600x600x1) take more than 1073741824 bytes; ask for \
         fewer\n"
    );
}
