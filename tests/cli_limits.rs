//! The built program under limits of threads, memory and stacks, as `ulimit` sets them: a message or less of what is
//! scarce, never a panic, and no process killed.
#![cfg(target_os = "linux")]

use crate::common::folder::{Folder, text};
use std::process::Output;

/// A network of two dense layers on made-up samples.
fn graph(units: u64) -> String {
    format!(
        r#"{{ "graphc": 1, "name": "net",
  "inputs": {{ "image": {{ "shape": ["N", 784] }}, "label": {{ "shape": ["N"], "dtype": "i32" }} }},
  "nodes": [
    {{ "name": "hidden", "op": "dense", "inputs": "image", "units": {units}, "activation": "relu" }},
    {{ "name": "probabilities", "op": "dense", "units": 10, "activation": "softmax" }} ],
  "loss": {{ "op": "categorical_crossentropy", "prediction": "probabilities", "target": "label" }},
  "metrics": ["accuracy"],
  "optimizer": {{ "op": "adam" }},
  "train": {{ "epochs": 1, "batch_size": 32, "validation_split": 0.2 }},
  "data": {{ "format": "synthetic", "samples": 200, "test_samples": 50 }} }}
"#
    )
}

fn folder(units: u64) -> Folder {
    Folder::with(&[("net.graph.json", graph(units).as_bytes())])
}

impl Folder {
    /// Runs `graphc` in a shell with those limits.
    fn limited(&self, limits: &str, args: &str) -> Output {
        let script = format!("{limits} && exec \"$0\" {args}");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_graphc")]).current_dir(self.path("."));
        command.env("GRAPHC_CACHE_DIR", self.path("cache")).output().unwrap()
    }
}

/// Exit code, stdout and stderr of a run that must neither panic nor be killed.
#[track_caller]
fn survived(output: &Output) -> (i32, String, String) {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let code = output.status.code().unwrap_or_else(|| panic!("killed: {:?}\n{stderr}", output.status));
    for bad in ["panicked", "memory allocation", "overflowed its stack"] {
        assert!(!stderr.contains(bad), "{stderr}");
    }
    assert!([0, 1].contains(&code), "exit code {code}\n{stderr}");
    (code, stdout, stderr)
}

/// A limit of addresses that 999 stacks do not fit into. That of processes (`ulimit -u`) does not bind root, which
/// tests may run as.
#[test]
fn threads_that_cannot_be_started_are_done_without() {
    let folder = folder(32);
    let few = folder.limited("true", "train net.graph.json --json --threads 2 --out a");
    let (code, expected, _) = survived(&few);
    assert_eq!(code, 0);
    let many = folder.limited("ulimit -v 1500000", "train net.graph.json --json --threads 1000 --out b");
    let (code, stdout, stderr) = survived(&many);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.starts_with("warning: the system gives no more than "), "{stderr}");
    assert!(stderr.ends_with(" of 1000 threads (see `ulimit -u` and `ulimit -v`)\n"), "{stderr}");
    let losses = |stdout: &str| {
        let end = stdout.lines().last().unwrap().to_owned();
        let end: serde_json::Value = serde_json::from_str(&end).unwrap();
        (end["test_loss"].to_string(), end["test_accuracy"].to_string())
    };
    assert_eq!(losses(&stdout), losses(&expected), "the same bits");
}

/// The stacks of 999 threads lie between the pages that code would be given one by one: more than the 2 GiB that a call
/// reaches.
#[test]
fn code_is_linked_between_the_stacks_of_many_threads() {
    let folder = folder(32);
    for run in 0..3 {
        let args = format!("train net.graph.json --json --threads 1000 --out run-{run}");
        let (code, _, stderr) = survived(&folder.limited("true", &args));
        assert_eq!(code, 0, "{stderr}");
    }
}

/// 2^28 units of 784 weights are 842 GB in every copy, and Adam has three. Every command refuses before it allocates
/// anything.
#[test]
fn memory_that_no_machine_has_is_refused() {
    let folder = folder(1 << 28);
    let inputs = graphc_train::NamedTensor {
        name: "image".into(),
        shape: vec![1, 784],
        data: graphc_train::TensorData::F32(vec![0.0; 784]),
    };
    graphc_train::weights::write_tensors(&folder.path("x.safetensors"), &[inputs]).unwrap();
    std::fs::copy(folder.path("x.safetensors"), folder.path("w.safetensors")).unwrap();
    for args in [
        "train net.graph.json --out a",
        "eval net.graph.json --weights w.safetensors",
        "bench net.graph.json",
        "profile net.graph.json",
        "check net.graph.json",
        "run net.graph.json --inputs x.safetensors --outputs y.safetensors",
        "run net.graph.json --inputs x.safetensors --outputs y.safetensors --engine loops",
        "run net.graph.json --inputs x.safetensors --outputs y.safetensors --engine graph-f64",
        "predict net.graph.json --weights w.safetensors 0",
        "tune net.graph.json",
    ] {
        let (code, stdout, stderr) = survived(&folder.limited("true", args));
        assert_eq!((code, stdout.as_str()), (1, ""), "{args}: {stderr}");
        assert!(stderr.starts_with("error: not enough memory: "), "{args}: {stderr}");
        assert!(
            stderr.contains(" GB, but the machine has ") || stderr.contains(" GB, but the control group has "),
            "{args}: {stderr}"
        );
    }
}

/// A step that fits the machine but not the limit; both figures are told.
#[test]
fn a_limit_of_addresses_is_heeded() {
    // 784 x 100,000 weights take 314 MB in every copy.
    let folder = folder(100_000);
    for args in ["train net.graph.json --out a --threads 2", "bench net.graph.json --threads 2", "check net.graph.json"]
    {
        let (code, stdout, stderr) = survived(&folder.limited("ulimit -v 900000", args));
        assert_eq!((code, stdout.as_str()), (1, ""), "{args}: {stderr}");
        assert!(stderr.starts_with("error: not enough memory: "), "{args}: {stderr}");
        assert!(stderr.contains(", but `ulimit -v` has "), "{args}: {stderr}");
        assert!(!folder.path("a/model.safetensors").exists());
    }
}

#[test]
fn small_stacks_suffice() {
    let folder = folder(32);
    for (number, kilobytes) in [1024, 512, 256].into_iter().enumerate() {
        let args = format!("train net.graph.json --json --out run-{number}");
        let (code, _, stderr) = survived(&folder.limited(&format!("ulimit -s {kilobytes}"), &args));
        assert_eq!(code, 0, "{kilobytes} kB: {stderr}");
        let (code, _, stderr) =
            survived(&folder.limited(&format!("ulimit -s {kilobytes}"), "check net.graph.json --entries 1"));
        assert_eq!(code, 0, "{kilobytes} kB: {stderr}");
    }
}

/// Less and less of everything, down to what the program itself cannot be loaded into.
#[test]
fn whatever_is_scarce_no_run_panics() {
    let folder = folder(256);
    for megabytes in [600, 300, 200, 150, 120, 100, 80, 60] {
        for threads in [1, 2, 8] {
            let args = format!("train net.graph.json --json --threads {threads} --out run-{megabytes}-{threads}");
            let limit = format!("ulimit -v {}", megabytes * 1000);
            survived(&folder.limited(&limit, &args));
        }
    }
}
