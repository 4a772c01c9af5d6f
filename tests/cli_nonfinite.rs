//! Numbers that stop being finite in `graphc train`: what is said, where it is said to begin, what is kept, and the
//! exit code.

use crate::common::folder::{Folder, text};
use graphc_train::weights::{read_tensors, write_tensors};
use graphc_train::{NamedTensor, TensorData};
use serde_json::Value;
use std::path::Path;
use std::process::Output;

/// Twelve samples of two numbers, 1 to 24, and their classes.
const N: usize = 12;

/// Files of an experiment: `nodes` that read `x`, whose `scores` are compared with `label`, in batches of four.
struct Experiment {
    nodes: &'static str,
    scale: f64,
    train: &'static str,
    optimizer: &'static str,
    /// The numbers, row by row.
    x: Vec<u8>,
}

const SGD: &str = r#"{ "op": "sgd", "learning_rate": 0.1 }"#;

/// Two layers without a bound: what is large in one is larger in the next.
const LAYERS: &str = r#"{ "name": "hidden", "op": "dense", "inputs": "x", "units": 3 },
    { "name": "scores", "op": "dense", "units": 2, "activation": "softmax" }"#;

impl Default for Experiment {
    fn default() -> Experiment {
        let x = (1..=2 * N as u8).collect();
        Experiment { nodes: LAYERS, scale: 0.01, train: r#""epochs": 2"#, optimizer: SGD, x }
    }
}

impl Experiment {
    fn folder(&self) -> Folder {
        let Experiment { nodes, scale, train, optimizer, x } = self;
        let graph = format!(
            r#"{{ "graphc": 1, "name": "net",
  "inputs": {{ "x": {{ "shape": ["N", 2] }}, "label": {{ "shape": ["N"], "dtype": "i32" }} }},
  "nodes": [
    {nodes} ],
  "loss": {{ "op": "categorical_crossentropy", "prediction": "scores", "target": "label" }},
  "optimizer": {optimizer},
  "train": {{ {train}, "batch_size": 4, "shuffle": false }},
  "data": {{ "format": "idx", "scale": {scale:e},
    "train": {{ "x": "x", "label": "label" }}, "test": {{ "x": "x-test", "label": "label" }} }} }}
"#
        );
        let labels: Vec<u8> = (0..N).map(|sample| (sample % 2) as u8).collect();
        let test: Vec<u8> = (1..=2 * N as u8).collect();
        Folder::with(&[
            ("net.graph.json", graph.as_bytes()),
            ("x", &idx(&[N, 2], x)),
            ("x-test", &idx(&[N, 2], &test)),
            ("label", &idx(&[N], &labels)),
        ])
    }
}

fn idx(shape: &[usize], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|&size| bytes.extend((size as u32).to_be_bytes()));
    bytes.extend(data);
    bytes
}

const LOGARITHM: &str = r#"{ "name": "logs", "op": "log", "inputs": "x" },
    { "name": "scores", "op": "dense", "units": 2, "activation": "softmax" }"#;

const LAYER: &str = r#"{ "name": "scores", "op": "dense", "inputs": "x", "units": 2, "activation": "softmax" }"#;

/// 1 to 24 with one other number.
fn numbers_but(at: usize, value: u8) -> Vec<u8> {
    let mut x: Vec<u8> = (1..=2 * N as u8).collect();
    x[at] = value;
    x
}

fn train(folder: &Folder, extra: &[&str]) -> Output {
    let args = ["train", "net.graph.json", "--out", "out", "--threads", "1"];
    folder.run(&[&args[..], extra].concat())
}

/// A training that must fail with this message; the weights of the run folder must be finite.
#[track_caller]
fn fails(folder: &Folder, extra: &[&str], message: &str) {
    let output = train(folder, &[extra, &["--quiet"]].concat());
    assert_eq!(text(&output.stderr), format!("error: {message}\n"));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).ends_with("Run folder: out\n"));
    assert!(message.lines().all(|line| line.len() <= 80), "lines are at most 80 columns");
    for file in ["model.safetensors", "before-step.safetensors"].map(|name| folder.path("out").join(name)) {
        assert_eq!(file.exists(), message.contains(file.file_name().unwrap().to_str().unwrap()));
        if file.exists() {
            assert!(is_finite(&file), "{}", file.display());
        }
    }
}

fn is_finite(weights: &Path) -> bool {
    let tensors = read_tensors(weights).unwrap();
    assert!(!tensors.is_empty());
    tensors.values().all(|tensor| tensor.data.to_f32().iter().all(|value| value.is_finite()))
}

fn run_json(folder: &Folder) -> Value {
    serde_json::from_slice(&std::fs::read(folder.path("out/run.json")).unwrap()).unwrap()
}

#[test]
fn a_learning_rate_that_is_too_high() {
    fails(
        &Experiment::default().folder(),
        &["--lr", "1e30"],
        "training stopped: the loss is NaN in epoch 1, step 2 of 3
first node: matmul `scores.matmul` (scores, line 5)
  inf at [0,0] (not finite: 8 of 8)
  in double precision 4.17e52; single precision ends at 3.4e38
  reads `hidden`: from -4.21e27 to 1e27
  reads `scores.kernel`: from -6.51e27 to 6.51e27
  largest parameter behind it: `scores.kernel`, up to 6.51e27
first NaN: softmax_crossentropy `loss` (loss of loss, line 6)
may help: a learning rate below 1e30 (`--lr`), or smaller inputs (`data.scale`)
kept: the weights before epoch 1, in out/model.safetensors
kept: all that training changes, before step 2, in out/before-step.safetensors
`--init` goes on from kept weights; `--allow-nonfinite` trains whatever comes",
    );
}

#[test]
fn the_logarithm_of_zero() {
    fails(
        &Experiment { nodes: LOGARITHM, x: numbers_but(11, 0), ..Experiment::default() }.folder(),
        &[],
        "training stopped: the loss is NaN in epoch 1, step 2 of 3
first node: log `logs` (logs, line 4)
  -inf at [1,1] (not finite: 1 of 8)
  in double precision -inf, too
  reads `x`: 0 there, from 0 to 0.16
first NaN: softmax_crossentropy `loss` (loss of loss, line 6)
training sample 5 of the data, from 0
may help: keeping what the logarithm reads above 0
kept: the weights before epoch 1, in out/model.safetensors
kept: all that training changes, before step 2, in out/before-step.safetensors
`--init` goes on from kept weights; `--allow-nonfinite` trains whatever comes",
    );
}

#[test]
fn zero_by_zero_in_the_first_step() {
    let nodes = r#"{ "name": "ratio", "op": "div", "inputs": ["x", "x"] },
    { "name": "scores", "op": "dense", "units": 2, "activation": "softmax" }"#;
    fails(
        &Experiment { nodes, x: numbers_but(4, 0), ..Experiment::default() }.folder(),
        &[],
        "training stopped: the loss is NaN in epoch 1, step 1 of 3
first node: div `ratio` (ratio, line 4)
  NaN at [2,0] (not finite: 1 of 8)
  in double precision NaN, too
  reads `x`: 0 there, from 0 to 0.08
training sample 2 of the data, from 0
may help: keeping what it divides by away from 0
kept: the weights before epoch 1, in out/model.safetensors
`--init` goes on from kept weights; `--allow-nonfinite` trains whatever comes",
    );
}

#[test]
fn data_that_its_scale_makes_infinite() {
    fails(
        &Experiment { scale: 2e36, x: numbers_but(12, 255), ..Experiment::default() }.folder(),
        &[],
        "training stopped: the loss is NaN in epoch 1, step 2 of 3
first node: input `x` (x, line 2)
  inf at [2,0] (not finite: 1 of 8)
first NaN: matmul `scores.matmul` (scores, line 5)
training sample 6 of the data, from 0
may help: a look at the data, and at `data.scale` in the graph file
kept: the weights before epoch 1, in out/model.safetensors
kept: all that training changes, before step 2, in out/before-step.safetensors
`--init` goes on from kept weights; `--allow-nonfinite` trains whatever comes",
    );
}

#[test]
fn weights_that_overflow_in_the_last_step_without_a_loss_that_does() {
    let folder = Experiment { nodes: LAYER, scale: 10.0, ..Experiment::default() }.folder();
    fails(
        &folder,
        &["--lr", "3e38", "--batch-size", "12", "--epochs", "1"],
        "training stopped: a tensor is not finite in epoch 1 after step 1 of 1:
`scores.kernel` is -inf at [0,0] (not finite: 4 of 4)
first node: mul (update of scores, line 4)
  inf at [0,0] (not finite: 4 of 4)
  in double precision 1.95e40; single precision ends at 3.4e38
  reads `scores.kernel.grad`: 65 there, from -70 to 70
  reads `learning_rate`: 3e38
  goes into the next `scores.kernel`
may help: a learning rate below 3e38 (`--lr`), or smaller inputs (`data.scale`)
kept: the weights before epoch 1, in out/model.safetensors
`--init` goes on from kept weights; `--allow-nonfinite` trains whatever comes",
    );
}

#[test]
fn what_adam_keeps_is_looked_at_too() {
    let optimizer = r#"{ "op": "adam", "learning_rate": 1e-30 }"#;
    fails(
        &Experiment { nodes: LAYER, scale: 1e22, optimizer, ..Experiment::default() }.folder(),
        &["--epochs", "1"],
        "training stopped: the loss is NaN in epoch 1, step 3 of 3
it begins in step 1: `scores.kernel.adam_v` is inf at [0,0] (not finite: 4 of 4)
first node: mul (update of scores, line 4)
  inf at [0,0] (not finite: 4 of 4)
  in double precision 6.25e44; single precision ends at 3.4e38
  reads `scores.kernel.grad`: 2.5e22 there, from -3e22 to 3e22
  goes into the next `scores.kernel.adam_v`
may help: a learning rate below 1e-30 (`--lr`), or smaller inputs (`data.scale`)
kept: the weights before epoch 1, in out/model.safetensors
`--init` goes on from kept weights; `--allow-nonfinite` trains whatever comes",
    );
}

#[test]
fn validation_and_test_losses() {
    let x = numbers_but(22, 0);
    let train = r#""epochs": 2, "validation_split": 0.2"#;
    let folder = Experiment { nodes: LOGARITHM, x, train, ..Experiment::default() }.folder();
    fails(
        &folder,
        &[],
        "training stopped: the validation loss is NaN after epoch 1
first node: log `logs` (logs, line 4)
  -inf at [2,0] (not finite: 1 of 6)
  in double precision -inf, too
  reads `x`: 0 there, from 0 to 0.24
first NaN: softmax_crossentropy `loss` (loss of loss, line 6)
validation sample 11 of the data, from 0
may help: keeping what the logarithm reads above 0
kept: the weights after epoch 1, in out/model.safetensors
`--init` goes on from kept weights; `--allow-nonfinite` trains whatever comes",
    );
    let history = std::fs::read_to_string(folder.path("out/history.csv")).unwrap();
    assert_eq!(history.lines().count(), 2, "the epoch is in the history: {history}");

    let folder = Experiment { nodes: LOGARITHM, ..Experiment::default() }.folder();
    std::fs::write(folder.path("x-test"), idx(&[N, 2], &numbers_but(15, 0))).unwrap();
    fails(
        &folder,
        &[],
        "the test loss is NaN
first node: log `logs` (logs, line 4)
  -inf at [3,1] (not finite: 1 of 8)
  in double precision -inf, too
  reads `x`: 0 there, from 0 to 0.15
first NaN: softmax_crossentropy `loss` (loss of loss, line 6)
test sample 7 of the data, from 0
kept: the weights, in out/model.safetensors",
    );
    let nonfinite = &run_json(&folder)["results"]["nonfinite"];
    assert_eq!(
        (&nonfinite["what"], &nonfinite["sample"], &nonfinite["node"]["line"]),
        (&"test_loss".into(), &7.into(), &4.into())
    );
}

#[test]
fn nothing_is_said_where_all_is_finite() {
    let folder = Experiment::default().folder();
    let end = folder.ok(&["train", "net.graph.json", "--out", "out", "--json"]);
    assert!(!end.contains("nonfinite"), "{end}");
    assert!(run_json(&folder)["results"].get("nonfinite").is_none());
}

#[test]
fn people_are_told_that_it_is_looked_for() {
    let output = train(&Experiment::default().folder(), &["--lr", "1e30"]);
    let stderr = text(&output.stderr);
    let start = "warning: the loss is NaN in epoch 1, step 2 of 3;\nlooking for where that begins; Ctrl-C ends the search\nerror: training stopped: ";
    assert!(stderr.starts_with(start), "{stderr}");
    assert!(text(&output.stdout).ends_with("Run folder: out\n"));
}

#[test]
fn scripts_get_one_field_more_in_the_last_line() {
    let folder = Experiment { nodes: LOGARITHM, x: numbers_but(11, 0), ..Experiment::default() }.folder();
    let output = train(&folder, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [end] = lines.as_slice() else { panic!("{lines:?}") };
    let keys: Vec<_> = end.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "test_loss",
            "test_accuracy",
            "parameters",
            "compile_ms",
            "step_ms_median",
            "first_step_ms",
            "peak_rss_mb",
            "receipt",
            "run",
            "nonfinite"
        ]
    );
    let mut nonfinite = end["nonfinite"].clone();
    assert_eq!(run_json(&folder)["results"]["nonfinite"], nonfinite);
    let message = nonfinite.as_object_mut().unwrap().remove("message").unwrap();
    assert!(
        message
            .as_str()
            .unwrap()
            .starts_with("training stopped: the loss is NaN in epoch 1, step 2 of 3\nfirst node: ")
    );
    let expected = serde_json::json!({
        "what": "loss", "epoch": 1, "step": 2, "allowed": false, "first_step": 2, "sample": 5,
        "node": {
            "op": "log", "name": "logs", "layer": "logs", "line": 4, "role": "forward", "index": [1, 1],
            "value": "-inf", "parameter": null,
        }
    });
    assert_eq!(nonfinite, expected);
}

#[test]
fn what_is_allowed_is_warned_of_and_trains_on() {
    let folder = Experiment::default().folder();
    let output = train(&folder, &["--lr", "1e30", "--allow-nonfinite", "--quiet"]);
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), "Test loss NaN (12 samples)\nRun folder: out\n");
    assert_eq!(
        text(&output.stderr),
        "warning: the loss is NaN in epoch 1, step 2 of 3; training goes on\n\
         warning: 4 tensors are not finite in epoch 1 after step 3 of 3:\n\
         `hidden.kernel` is NaN at [0,0] (not finite: 6 of 6); training goes on\n\
         warning: the test loss is NaN\n"
    );
    assert!(!is_finite(&folder.path("out/model.safetensors")), "weights are written as they are");
    assert_eq!(std::fs::read_to_string(folder.path("out/history.csv")).unwrap().lines().count(), 3);
    assert_eq!(run_json(&folder)["results"]["nonfinite"]["allowed"], true);
}

#[test]
fn weights_to_start_from() {
    let folder = Experiment { nodes: LAYER, ..Experiment::default() }.folder();
    let kernel = NamedTensor {
        name: "scores.kernel".into(),
        shape: vec![2, 2],
        data: TensorData::F32(vec![0.5, 1.0, f32::NAN, f32::INFINITY]),
    };
    let bias = NamedTensor { name: "scores.bias".into(), shape: vec![2], data: TensorData::F32(vec![0.0; 2]) };
    write_tensors(&folder.path("w"), &[kernel, bias]).unwrap();
    let stderr = folder.fails(1, &["train", "net.graph.json", "--out", "out", "--init", "w"]);
    assert_eq!(
        stderr,
        "error: w: weights that are not finite:\n`scores.kernel` is NaN at [1,0] (not finite: 2 of 4)\n\
         `--allow-nonfinite` trains on from them\n"
    );
    assert!(!folder.path("out").exists());
    let output = train(&folder, &["--init", "w", "--allow-nonfinite", "--quiet"]);
    assert!(output.status.success());
    let told = "warning: a tensor is not finite in epoch 1 after step 0 of 3:\n`scores.kernel` is NaN at [1,0]";
    assert!(text(&output.stderr).starts_with(told), "{}", text(&output.stderr));
}

#[test]
fn run_warns_of_results() {
    let folder = Experiment { nodes: LOGARITHM, ..Experiment::default() }.folder();
    let x = NamedTensor { name: "x".into(), shape: vec![2, 2], data: TensorData::F32(vec![1.0, 2.0, 0.0, 1.0]) };
    write_tensors(&folder.path("in"), &[x]).unwrap();
    let (_, stderr) =
        folder.both(&["run", "net.graph.json", "--inputs", "in", "--outputs", "y", "--engine", "graph-f64"]);
    assert!(stderr.contains("warning: not finite: `scores` is NaN at [1,0] (not finite: 2 of 4)\n"), "{stderr}");
}
