//! The built program on a tiny experiment of 2x2 images and on the files in `examples/`: results, files, messages and
//! exit codes.

use crate::common::folder::{Folder, text};
use graphc_train::weights::{read_tensors, write_tensors};
use graphc_train::{NamedTensor, TensorData};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::Path;
use std::process::{Command, Stdio};

const N_TRAIN: usize = 50;
const N_TEST: usize = 21;

/// A folder with the experiment and its data.
struct Tiny(Folder);

impl Deref for Tiny {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.0
    }
}

impl Tiny {
    /// `tiny.graph.json` and its data: class 0 is dark, 1 has a bright first pixel, 2 a bright last one.
    fn new() -> Tiny {
        let tiny = Tiny(Folder::with(&[("tiny.graph.json", GRAPH.as_bytes())]));
        for (part, n) in [("train", N_TRAIN), ("test", N_TEST)] {
            let labels: Vec<u8> = (0..n).map(|sample| (sample % 3) as u8).collect();
            let pixels = |sample: usize| -> [u8; 4] {
                let noise = (sample * 7 % 40) as u8;
                let bright = |is_class| if is_class { 250 - noise } else { noise };
                [bright(sample % 3 == 1), noise, 40 - noise, bright(sample % 3 == 2)]
            };
            tiny.write(&format!("{part}-images"), &idx(&[n, 2, 2], &(0..n).flat_map(pixels).collect::<Vec<u8>>()));
            tiny.write(&format!("{part}-labels"), &idx(&[n], &labels));
        }
        tiny
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Trains three epochs to `name` and gives the JSON lines.
    fn train(&self, name: &str, extra: &[&str]) -> Vec<Value> {
        let args = ["train", "tiny.graph.json", "--json", "--out", name];
        let stdout = self.ok(&[&args[..], extra].concat());
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

const GRAPH: &str = r#"{ "graphc": 1, "name": "tiny",
  "inputs": { "image": { "shape": ["N", 2, 2, 1] }, "label": { "shape": ["N"], "dtype": "i32" } },
  "nodes": [
    { "name": "flat", "op": "flatten", "inputs": "image" },
    { "name": "hidden", "op": "dense", "units": 5, "activation": "tanh" },
    { "name": "scores", "op": "dense", "units": 3 },
    { "name": "probabilities", "op": "softmax" } ],
  "loss": { "op": "categorical_crossentropy", "prediction": "probabilities", "target": "label" },
  "metrics": ["accuracy"],
  "optimizer": { "op": "adam", "learning_rate": 0.05 },
  "train": { "epochs": 3, "batch_size": 16, "validation_split": 0.2, "shuffle": true, "seed": 4 },
  "data": { "format": "idx", "scale": 0.00392156862745098,
    "train": { "image": "train-images", "label": "train-labels" },
    "test": { "image": "test-images", "label": "test-labels" } } }
"#;

fn idx(shape: &[usize], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|&size| bytes.extend((size as u32).to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn example(name: &str) -> String {
    format!("{}/../../examples/{name}.graph.json", env!("CARGO_MANIFEST_DIR"))
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The tensors as `graphc run` reads them: `n` test samples.
fn write_inputs(path: &Path, n: usize, with_label: bool) {
    let image = (0..4 * n).map(|i| (i % 7) as f32 / 7.0).collect();
    let mut tensors = vec![NamedTensor { name: "image".into(), shape: vec![n, 2, 2, 1], data: TensorData::F32(image) }];
    if with_label {
        let label = (0..n as i32).map(|i| i % 3).collect();
        tensors.push(NamedTensor { name: "label".into(), shape: vec![n], data: TensorData::I32(label) });
    }
    write_tensors(path, &tensors).unwrap();
}

#[test]
fn training_writes_json_lines_and_a_run_folder() {
    let tiny = Tiny::new();
    let lines = tiny.train("a", &[]);
    assert_eq!(lines.len(), 4);
    for (idx, line) in lines[..3].iter().enumerate() {
        assert_eq!(keys(line), ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds", "learning_rate"]);
        assert_eq!(line["epoch"], idx + 1);
        assert!(line.as_object().unwrap().values().all(Value::is_number), "{line}");
    }
    let end = &lines[3];
    assert_eq!(
        keys(end),
        [
            "test_loss",
            "test_accuracy",
            "parameters",
            "compile_ms",
            "step_ms_median",
            "first_step_ms",
            "peak_rss_mb",
            "receipt",
            "run"
        ]
    );
    assert_eq!(end["parameters"], 4 * 5 + 5 + 5 * 3 + 3);
    assert!(end.as_object().unwrap().values().filter(|value| value.is_number()).count() == 7, "{end}");
    assert_eq!(end["run"], "a");
    assert!(lines[2]["loss"].as_f64() < lines[0]["loss"].as_f64(), "it learns: {lines:?}");

    check_run_folder(&tiny, end);

    // `eval` measures what training measured at its end.
    let eval = tiny.ok(&["eval", "tiny.graph.json", "--weights", "a/model.safetensors", "--json"]);
    let eval: Value = serde_json::from_str(&eval).unwrap();
    assert_eq!(eval["test_loss"], end["test_loss"]);
    assert_eq!(eval["test_accuracy"], end["test_accuracy"]);
    assert_eq!(eval["samples"], N_TEST);
}

/// What a training has left in the folder `a`; `end` is its last line.
#[track_caller]
fn check_run_folder(tiny: &Tiny, end: &Value) {
    let mut files: Vec<_> =
        std::fs::read_dir(tiny.path("a")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(
        files,
        [
            "accuracy.svg",
            "checkpoint",
            "graph.json",
            "history.csv",
            "loss.svg",
            "model.safetensors",
            "receipt.json",
            "run.json"
        ]
    );
    let csv = std::fs::read_to_string(tiny.path("a/history.csv")).unwrap();
    assert!(csv.starts_with("epoch,loss,accuracy,val_loss,val_accuracy,seconds,learning_rate\n1,"), "{csv}");
    assert_eq!(csv.lines().count(), 4);
    let run: Value = serde_json::from_slice(&std::fs::read(tiny.path("a/run.json")).unwrap()).unwrap();
    assert_eq!(keys(&run), ["name", "config", "paths", "seed", "versions", "isa", "timings", "results"]);
    assert_eq!(
        (&run["seed"], &run["config"]["epochs"], &run["config"]["batch_size"]),
        (&4.into(), &3.into(), &16.into())
    );
    assert_eq!(run["timings"]["first_step_ms"], end["first_step_ms"]);
    assert_eq!(run["results"]["test_accuracy"], end["test_accuracy"]);
    let weights = read_tensors(&tiny.path("a/model.safetensors")).unwrap();
    assert_eq!(weights.keys().collect::<Vec<_>>(), ["hidden.bias", "hidden.kernel", "scores.bias", "scores.kernel"]);
}

#[test]
fn runs_are_reproducible_and_options_override_the_file() {
    let tiny = Tiny::new();
    let losses = |lines: &[Value]| lines.iter().map(|line| line["loss"].to_string()).collect::<Vec<_>>();
    let first = losses(&tiny.train("a", &[]));
    assert_eq!(first, losses(&tiny.train("b", &["--seed", "4"])));
    assert_eq!(first, losses(&tiny.train("c", &["--checked"])), "checked code computes the same");
    assert_eq!(first, losses(&tiny.train("k", &["--threads", "1"])), "threads change nothing");
    assert_eq!(first, losses(&tiny.train("l", &["--threads", "3"])), "threads change nothing");
    let run: Value = serde_json::from_slice(&std::fs::read(tiny.path("l/run.json")).unwrap()).unwrap();
    assert_eq!(run["config"]["threads"], 3);
    assert_ne!(first, losses(&tiny.train("d", &["--seed", "5"])));
    assert_ne!(first, losses(&tiny.train("e", &["--lr", "0.01"])));
    assert_ne!(first, losses(&tiny.train("f", &["--batch-size", "7"])));
    assert_ne!(first, losses(&tiny.train("g", &["--limit", "20"])));
    assert_eq!(tiny.train("h", &["--epochs", "1"]).len(), 2);
    // From trained weights it starts where the first run ended.
    let last = tiny.train("i", &["--epochs", "5"])[4]["loss"].as_f64().unwrap();
    let next = tiny.train("j", &["--epochs", "1", "--init", "i/model.safetensors"])[0]["loss"].as_f64().unwrap();
    assert!(next < last * 1.2, "{next} after {last}");
}

#[test]
fn training_for_people() {
    let tiny = Tiny::new();
    let stdout = tiny.ok(&["train", "tiny.graph.json", "--threads", "2"]);
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[0], "Network tiny");
    for start in [
        " hidden (dense)",
        "Total parameters: 43",
        "Compiled 5 executables in ",
        "epoch  1/3  ",
        "epoch  3/3  ",
        "Test loss ",
        " 25% ",
        "Median step: ",
        "Run folder: runs/tiny-1",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(start)), "no line starts with {start:?}:\n{stdout}");
    }
    assert!(stdout.contains("50 training samples, batch size 16, 2 threads, seed 4\n"), "{stdout}");

    let quiet = tiny.ok(&["train", "tiny.graph.json", "--quiet"]);
    let lines: Vec<&str> = quiet.lines().collect();
    assert_eq!(lines.len(), 2, "{quiet}");
    assert!(lines[0].starts_with("Test loss ") && lines[0].ends_with("(21 samples)"), "{quiet}");
    assert_eq!(lines[1], "Run folder: runs/tiny-2", "a second run gets a folder of its own");
}

#[cfg(unix)]
#[test]
fn ctrl_c_writes_the_run_folder_and_says_how_to_go_on() {
    let tiny = Tiny::new();
    let mut command = tiny.command(&["train", "tiny.graph.json", "--json", "--epochs", "1000000", "--out", "stopped"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"epoch\":1,"), "{line}");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stdout, &mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let stderr = text(&output.stderr);
    assert!(stderr.starts_with("Stopped in epoch "), "{stderr}");
    let program = env!("CARGO_BIN_EXE_graphc");
    assert!(stderr.ends_with(&format!("To go on:\n  {program} train --resume stopped\n")), "{stderr}");
    let end: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
    assert_eq!(end["test_loss"], Value::Null);
    let run: Value = serde_json::from_slice(&std::fs::read(tiny.path("stopped/run.json")).unwrap()).unwrap();
    assert!(run["results"]["stopped_in"]["step"].is_number(), "{run}");
    let n_epochs = run["results"]["epochs_finished"].as_u64().unwrap() + 1;
    tiny.ok(&["train", "--resume", "stopped", "--epochs", &n_epochs.to_string()]);
    tiny.train("next", &["--epochs", "1", "--init", "stopped/model.safetensors"]);
}

#[test]
fn run_gives_the_same_on_every_engine() {
    let tiny = Tiny::new();
    write_inputs(&tiny.path("x"), 5, true);
    let run = |engine: &str, extra: &[&str]| {
        let args = ["run", "tiny.graph.json", "--inputs", "x", "--outputs", "y", "--engine", engine];
        assert_eq!(tiny.ok(&[&args[..], extra].concat()), "");
        read_tensors(&tiny.path("y")).unwrap()
    };
    for extra in [&["--gradients"][..], &["--mode", "infer"], &["--seed", "9"]] {
        let jit = run("jit", extra);
        assert_eq!(jit, run("loops", extra), "the same bits");
        let meaning = run("graph-f64", extra);
        assert!(matches!(meaning["loss"].data, TensorData::F64(_)));
        assert_eq!(jit.keys().collect::<Vec<_>>(), meaning.keys().collect::<Vec<_>>());
        for (engine, other) in [("jit", &jit), ("graph-f32", &run("graph-f32", extra))] {
            for (name, tensor) in &meaning {
                assert_eq!(tensor.shape, other[name].shape);
                for (a, b) in tensor.data.to_f64().iter().zip(other[name].data.to_f64()) {
                    assert!((a - b).abs() < 1e-6, "{engine}, {name}: {a} and {b}");
                }
            }
        }
    }
    let names: Vec<String> = run("jit", &["--gradients"]).into_keys().collect();
    assert_eq!(
        names,
        [
            "accuracy",
            "grad.hidden.bias",
            "grad.hidden.kernel",
            "grad.scores.bias",
            "grad.scores.kernel",
            "loss",
            "probabilities"
        ]
    );
    tiny.train("a", &[]);
    let trained = run("jit", &["--weights", "a/model.safetensors"]);
    assert_ne!(trained["probabilities"], run("jit", &[])["probabilities"]);
}

#[test]
fn run_says_what_is_wrong_with_its_tensors() {
    let tiny = Tiny::new();
    let args = ["run", "tiny.graph.json", "--inputs", "x", "--outputs", "y"];
    let one = |name: &str, shape: &[usize], data: TensorData| {
        write_tensors(&tiny.path("x"), &[NamedTensor { name: name.into(), shape: shape.to_vec(), data }]).unwrap();
    };
    assert_eq!(tiny.fails(1, &args), "error: x: cannot read the tensors: No such file or directory (os error 2)\n");
    one("img", &[1], TensorData::F32(vec![0.0]));
    assert_eq!(tiny.fails(1, &args), "error: x: the network has no input `img`; it has `image`, `label`\n");
    one("image", &[1, 4], TensorData::F32(vec![0.0; 4]));
    assert_eq!(tiny.fails(1, &args), "error: x: tensor `image` has shape [1, 4], the input takes [N,2,2,1]\n");
    one("label", &[1], TensorData::F32(vec![0.0]));
    assert_eq!(tiny.fails(1, &args), "error: x: tensor `label` must hold integers\n");
    one("label", &[1], TensorData::I32(vec![0]));
    assert_eq!(tiny.fails(1, &args), "error: x: no tensor for the input `image` of shape [N,2,2,1]\n");

    write_inputs(&tiny.path("x"), 2, false);
    let output = tiny.run(&args);
    assert!(output.status.success());
    assert_eq!(text(&output.stderr), "warning: no input `label`: outputs that need it are left out\n");
    assert_eq!(read_tensors(&tiny.path("y")).unwrap().keys().collect::<Vec<_>>(), ["probabilities"]);
    let training = [&args[..], &["--mode", "train"]].concat();
    assert_eq!(tiny.fails(1, &training), "error: x: no tensor for the input `label` of shape [N]\n");
    let gradients = [&args[..], &["--mode", "infer", "--gradients"]].concat();
    assert_eq!(tiny.fails(1, &gradients), "error: --gradients needs --mode train\n");
    let image = NamedTensor { name: "image".into(), shape: vec![2, 2, 2, 1], data: TensorData::F32(vec![0.0; 8]) };
    let label = |values: &[i32]| NamedTensor {
        name: "label".into(),
        shape: vec![values.len()],
        data: TensorData::I32(values.to_vec()),
    };
    write_tensors(&tiny.path("x"), &[image.clone(), label(&[0, 1, 2])]).unwrap();
    assert_eq!(tiny.fails(1, &args), "error: x: `image` has 2 samples, `label` has 3\n");
    write_tensors(&tiny.path("x"), &[image, label(&[0, 3])]).unwrap();
    assert_eq!(
        tiny.fails(1, &args),
        "error: label out of range: sample 1 has label 3, but `label` has 3 classes (0 to 2)\n"
    );
}

#[test]
fn wrong_data_files() {
    let tiny = Tiny::new();
    let args = ["train", "tiny.graph.json"];
    let labels: Vec<u8> = (0..N_TRAIN).map(|sample| (sample % 3) as u8).collect();
    let wrong = |file: &str, bytes: &[u8], message: &str| {
        let before = std::fs::read(tiny.path(file)).unwrap();
        tiny.write(file, bytes);
        assert_eq!(tiny.fails(1, &args), format!("error: {message}\n"));
        tiny.write(file, &before);
    };
    let mut out_of_range = labels.clone();
    out_of_range[31] = 3;
    wrong(
        "train-labels",
        &idx(&[N_TRAIN], &out_of_range),
        "train-labels: label out of range: sample 31 has label 3, but `label` has 3 classes (0 to 2)",
    );
    wrong("train-labels", &idx(&[N_TRAIN - 1], &labels[1..]), "train-labels: 49 samples, but train-images has 50");
    wrong(
        "train-images",
        &idx(&[N_TRAIN, 2, 3], &[0; N_TRAIN * 6]),
        "train-images: samples of shape 2x3, but the input `image` takes 2x2x1",
    );
    wrong(
        "test-images",
        &idx(&[N_TEST, 2, 2], &[0; 80]),
        "test-images: truncated: the header announces 21x2x2 = 84 bytes, but 80 follow it",
    );
    wrong(
        "train-images",
        b"hello world",
        "train-images: not an IDX file: expected two zero bytes and an element type (08, 09 or 0b to 0e) at its start",
    );
    assert_eq!(
        tiny.fails(1, &["train", "tiny.graph.json", "--limit", "1"]),
        "error: no samples to train on: of 1, all validate\n"
    );
    assert_eq!(std::fs::read_dir(tiny.path("runs")).unwrap().count(), 0, "no folder is left of runs that failed");

    std::fs::remove_file(tiny.path("train-images")).unwrap();
    let message = tiny.fails(1, &args);
    assert!(message.contains("tiny.graph.json:13:") && message.contains("tried train-images"), "{message}");
}

#[test]
fn wrong_weights_folders_and_options() {
    let tiny = Tiny::new();
    let data = TensorData::F32(vec![0.0; 6]);
    let tensors = [
        NamedTensor { name: "hidden.bias".into(), shape: vec![6], data: data.clone() },
        NamedTensor { name: "other".into(), shape: vec![2, 3], data },
    ];
    write_tensors(&tiny.path("w"), &tensors).unwrap();
    let expected = "\
error: w: the weights do not fit the network:
  `hidden.kernel` (4x5) is missing
  `hidden.bias` has shape 6, expected 5
  `scores.kernel` (5x3) is missing
  `scores.bias` (3) is missing
  `other` is no parameter of the network
";
    assert_eq!(tiny.fails(1, &["eval", "tiny.graph.json", "--weights", "w"]), expected);
    assert_eq!(tiny.fails(1, &["train", "tiny.graph.json", "--init", "w"]), expected);
    assert_eq!(tiny.fails(1, &["predict", "tiny.graph.json", "--weights", "w", "0"]), expected);
    tiny.write("w", b"hello");
    let no_tensors = "error: w: not a safetensors file: it has 5 bytes, expected 8 with the length of its header\n";
    assert_eq!(tiny.fails(1, &["eval", "tiny.graph.json", "--weights", "w"]), no_tensors);
    assert_eq!(tiny.fails(1, &["train", "tiny.graph.json", "--init", "w"]), no_tensors);

    assert_eq!(
        tiny.fails(1, &["train", "tiny.graph.json", "--out", "."]),
        "error: .: the run folder exists and is not empty; give another one\n"
    );
    let usage = tiny.fails(2, &["train", "tiny.graph.json", "--epochs", "0"]);
    assert!(
        usage.starts_with("error: invalid value '0' for '--epochs <N>': expected an integer of at least 1\n"),
        "{usage}"
    );
    assert!(tiny.fails(2, &["train", "tiny.graph.json", "--lr", "-1"]).starts_with("error: "));
    assert!(tiny.fails(2, &["train"]).contains("<FILE>"));
    assert!(tiny.fails(2, &["trian", "x"]).contains("'train'"));

    // Without data only the commands that need it refuse.
    let without = GRAPH.split_once(",\n  \"data\"").unwrap().0.to_string() + " }";
    tiny.write("bare.graph.json", without.as_bytes());
    assert_eq!(
        tiny.fails(1, &["train", "bare.graph.json"]),
        "error: bare.graph.json: no `data`: the file does not say what to train on\n"
    );
    assert!(tiny.ok(&["summary", "bare.graph.json"]).contains("Total parameters: 43"));
}

#[test]
fn mistakes_in_a_graph_file_are_shown() {
    let tiny = Tiny::new();
    tiny.write("tiny.graph.json", GRAPH.replace("\"softmax\"", "\"sotfmax\"").as_bytes());
    for command in [&["summary"][..], &["train"], &["dump"], &["check"]] {
        let message = tiny.fails(1, &[command, &["tiny.graph.json"]].concat());
        assert!(message.contains("did you mean `softmax`?"), "{message}");
        assert!(message.ends_with("1 mistake in tiny.graph.json\n"), "{message}");
    }
}

#[test]
fn dump_shows_every_stage_and_reads_graph_text() {
    let tiny = Tiny::new();
    let dump = |args: &[&str]| tiny.ok(&[&["dump", "tiny.graph.json", "--ir"], args].concat());
    for (stage, needle) in [
        ("graph", "graph tiny {"),
        ("backward", "gradient of hidden"),
        ("fused", "; decisions"),
        ("loops", "kernel"),
        ("select", " innermost loops are assembled"),
        ("clif", "function "),
        ("asm", "ret"),
    ] {
        for mode in ["train", "infer"] {
            if (stage, mode) == ("backward", "infer") {
                continue;
            }
            let args = ["--stage", stage, "--mode", mode, "--batch", "5"];
            let text = dump(&args);
            assert!(text.contains(needle), "{stage} {mode}:\n{text}");
            assert_eq!(text, dump(&args), "dumps are deterministic");
        }
    }
    let graph = dump(&["--stage", "graph"]);
    assert_eq!(graph, tiny.ok(&["dump", "tiny.graph.json"]));
    tiny.write("tiny.gir", graph.as_bytes());
    assert_eq!(tiny.ok(&["dump", "tiny.gir"]), graph, "graph text reads back");
    tiny.write("bad.gir", b"graph g {\n  oops\n}\n");
    assert!(tiny.fails(1, &["dump", "bad.gir"]).starts_with("error: bad.gir: "));

    let all = dump(&["--print-after", "all"]);
    let one = dump(&["--print-after", "canonicalise"]);
    let n_after = |text: &str| text.lines().filter(|line| line.starts_with("; after ")).count();
    assert!(n_after(&all) > n_after(&one) && n_after(&one) > 0);
    assert!(one.lines().filter(|line| line.starts_with("; after ")).all(|line| line.contains("canonicalise")));
    assert!(
        tiny.fails(1, &["dump", "tiny.graph.json", "--print-after", "magic"])
            .starts_with("error: no pass `magic` ran; there are autodiff, canonicalise, ")
    );
    let times = dump(&["--time-passes"]);
    assert!(times.contains("codegen") && times.contains("total"), "{times}");
    assert!(dump(&["--dot"]).starts_with("digraph \"tiny\" {"));
    assert_eq!(
        tiny.fails(1, &["dump", "tiny.graph.json", "--dot", "--stage", "asm"]),
        "error: stage `asm` is not a graph\n"
    );
}

/// `--ir` alone prints all stages, in order, each as it is printed alone.
#[test]
fn dump_prints_the_whole_ladder() {
    let tiny = Tiny::new();
    let ladder = tiny.ok(&["dump", "tiny.graph.json", "--ir"]);
    let heads: Vec<&str> =
        ladder.lines().filter_map(|line| line.strip_prefix(";;; ")?.split_once(": ")).map(|(stage, _)| stage).collect();
    assert_eq!(heads, ["graph", "backward", "fused", "plan", "loops", "select", "clif", "asm"]);
    for stage in heads {
        let alone = tiny.ok(&["dump", "tiny.graph.json", "--ir", "--stage", stage]);
        assert!(ladder.contains(alone.trim_end()), "{stage}");
    }
}

/// Code for machines by name does not depend on this one.
#[test]
fn dump_makes_code_for_other_machines() {
    let tiny = Tiny::new();
    let dump = |args: &[&str]| tiny.ok(&[&["dump", "tiny.graph.json", "--ir", "--stage"], args].concat());
    for (machine, needle) in [
        ("x86-64-avx2", "; x86-64 avx avx2 fma, 256-bit tiles\n"),
        ("x86-64-fma", "; x86-64 avx fma, 128-bit tiles\n"),
        ("x86-64-portable", "; x86-64 avx avx2 fma, 128-bit\n"),
        ("x86-64-baseline", "; x86-64, 128-bit\n"),
    ] {
        assert!(dump(&["asm", "--machine", machine, "--threads", "4"]).starts_with(needle), "{machine}");
    }
    let error = tiny.fails(2, &["dump", "tiny.graph.json", "--machine", "z80"]);
    assert!(error.contains("z80") && error.contains("x86-64-avx2") && error.contains("host"), "{error}");
    assert_eq!(
        tiny.fails(1, &["dump", "tiny.graph.json", "--machine", "x86-64-fma", "--isa", "avx2"]),
        "error: `--isa` says what is used of this machine; x86-64-fma has one way alone\n"
    );
}

#[test]
fn check_passes_on_a_good_graph() {
    let tiny = Tiny::new();
    let table = tiny.ok(&["check", "tiny.graph.json"]);
    let verdicts = table.lines().filter(|line| line.ends_with(" ok")).count();
    assert_eq!(verdicts, 9, "{table}");
    assert!(!table.contains("FAILED"));
    let all = tiny.ok(&["check", "tiny.graph.json", "--all", "--batch", "33", "--seed", "3"]);
    for name in ["hidden.kernel", "scores.bias", "grad.hidden.kernel", "probabilities"] {
        assert!(all.contains(name), "{all}");
    }
}

#[test]
fn summary_counts_lenet5() {
    let tiny = Tiny::new();
    let summary = tiny.ok(&["summary", &example("lenet5")]);
    assert!(summary.ends_with("Total parameters: 45,418\nTrainable: 44,922\nNot trainable: 496\n"), "{summary}");
    assert!(summary.contains(" conv2 (conv2d)            (N, 8, 8, 16)         2,416\n"), "{summary}");
    let json: Value = serde_json::from_str(&tiny.ok(&["summary", &example("lenet5"), "--json"])).unwrap();
    assert_eq!([&json["parameters"], &json["trainable"], &json["not_trainable"]], [45_418, 44_922, 496]);
    let conv2 = serde_json::json!({
        "layer": "conv2", "op": "conv2d", "shape": ["N", 8, 8, 16], "parameters": 2416, "frozen": false
    });
    assert_eq!(json["layers"][7], conv2);
    for name in ["lenet5-classic", "mlp"] {
        assert!(tiny.ok(&["summary", &example(name)]).contains("Not trainable: 0"));
    }
}

#[test]
fn examples_train_on_mnist() {
    let tiny = Tiny::new();
    for name in ["lenet5", "lenet5-classic", "mlp"] {
        let args = ["train", &example(name), "--json", "--epochs", "2", "--limit", "800", "--out", name];
        let stdout = tiny.ok(&args);
        let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let loss = |epoch: usize| lines[epoch]["loss"].as_f64().unwrap();
        assert!(loss(1) < loss(0), "{name}: {stdout}");
        // 1,280 samples seen of ten classes: far above chance is what is asked.
        assert!(lines[1]["accuracy"].as_f64().unwrap() > 0.5, "{name}: {stdout}");
    }
}

#[test]
fn schema_completions_and_help() {
    let tiny = Tiny::new();
    let schema: Value = serde_json::from_str(&tiny.ok(&["schema"])).unwrap();
    assert!(schema["$schema"].is_string() && schema["properties"]["nodes"].is_object());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = tiny.ok(&["completions", shell]);
        assert!(script.contains("predict"), "{shell}");
    }
    let help = tiny.ok(&["--help"]);
    for command in
        ["train", "eval", "predict", "summary", "run", "runs", "report", "dump", "check", "schema", "completions"]
    {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        assert!(tiny.ok(&[command, "--help"]).contains("Example"));
    }
    assert!(tiny.ok(&["--version"]).starts_with("graphc "));
}

#[test]
fn a_closed_pipe_is_no_error() {
    let tiny = Tiny::new();
    let mut command = tiny.command(&["dump", "tiny.graph.json", "--ir", "--stage", "asm"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));

    // Training stops, and keeps what it has.
    let mut command = tiny.command(&["train", "tiny.graph.json", "--json", "--epochs", "1000000", "--out", "kept"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141), "{}", text(&output.stderr));
    let checkpoints = std::fs::read_dir(tiny.path("kept/checkpoint")).unwrap();
    assert!(checkpoints.count() >= 2, "tensors and all else");
}
