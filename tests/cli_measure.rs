//! `graphc bench` and `graphc profile` as built: fields, types and messages, never times, which are the machine's.

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder with `tiny.graph.json`, whose data files do not exist: measuring needs none.
struct Tiny {
    folder: TempDir,
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
  "train": { "batch_size": 16 },
  "data": { "format": "idx", "train": { "image": "images", "label": "labels" } } }
"#;

impl Tiny {
    fn new() -> Tiny {
        let tiny = Tiny { folder: tempfile::tempdir().unwrap() };
        std::fs::write(tiny.path("tiny.graph.json"), GRAPH).unwrap();
        tiny
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_graphc")).args(args).current_dir(self.folder.path()).output().unwrap()
    }

    /// Stdout of a command that must succeed.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?} failed:\n{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Stderr of a command that must fail with `code` and print nothing else.
    fn fails(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}:\n{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{args:?}");
        text(&output.stderr)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Fields and types of `bench --json`.
#[test]
fn bench_measures_a_step() {
    let tiny = Tiny::new();
    for (extra, mode, batch) in
        [(&[][..], "train", 16), (&["--infer", "--batch", "3", "--isa", "portable"], "infer", 3)]
    {
        // No data files are needed.
        let args = ["bench", "tiny.graph.json", "--seconds", "0.02", "--threads", "2", "--json"];
        let stdout = tiny.ok(&[&args[..], extra].concat());
        let result: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(result["graph"], "tiny");
        assert_eq!((result["mode"].as_str(), result["batch"].as_u64()), (Some(mode), Some(batch)));
        assert_eq!(result["threads"], 2);
        assert_eq!(result["isa"], if extra.is_empty() { "native" } else { "portable" });
        let numbers = "step_ms_median samples_per_s gflops peak_gflops percent_of_peak compile_ms first_step_ms";
        for name in numbers.split(' ') {
            assert!(result[name].as_f64().is_some_and(|value| value > 0.0), "{name}: {result}");
        }
        assert!(result["peak_rss_mb"].is_null() || result["peak_rss_mb"].as_f64().unwrap() > 0.0);
        assert_eq!(keys(&result["step_ms"]), ["min", "lower_quartile", "median", "upper_quartile", "max"]);
        assert_eq!(result["step_ms"]["median"], result["step_ms_median"]);
        // Two dense layers, 4 to 5 to 3: no input gradient of the first.
        assert_eq!(result["flops_per_sample"], if mode == "train" { 170.0 } else { 70.0 });
        assert!(keys(&result["compile_stages_ms"]).contains(&"codegen"));
    }
    let table = tiny.ok(&["bench", "tiny.graph.json", "--seconds", "0.02", "--threads", "1"]);
    assert!(table.starts_with("tiny: training step of 16 samples, 1 thread, "), "{table}");
    let table = tiny.ok(&["bench", "tiny.graph.json", "--seconds", "0.02"]);
    assert!(table.contains("Samples per second") && table.contains("% of peak"), "{table}");
}

#[test]
fn bench_explains_wrong_options() {
    let tiny = Tiny::new();
    for (option, value) in [("--seconds", "0"), ("--batch", "0"), ("--threads", "0"), ("--isa", "mips")] {
        let message = tiny.fails(2, &["bench", "tiny.graph.json", option, value]);
        assert!(message.contains(option) && message.contains(value), "{message}");
    }
    assert!(tiny.fails(1, &["bench", "none.graph.json"]).contains("cannot read none.graph.json"));
}
