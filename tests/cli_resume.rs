//! Trainings that go on: from any moment at which they were killed, on any number of threads and any instruction set,
//! to the same bytes as if nothing had been.
#![cfg(unix)]

use crate::common::folder::{Folder, text};
use crate::common::watching::{assert_no_temporary_file, first_line, names};
use graphc_train::History;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Everything that a step or an epoch may depend on: augmentation, dropout, moving statistics, a schedule with memory
/// and a warm-up, averages, early stopping, the best epoch, and a ragged last batch.
const GRAPH: &str = r#"{ "graphc": 1, "name": "eventful",
  "inputs": { "image": { "shape": ["N", 6, 6, 2] }, "label": { "shape": ["N"], "dtype": "i32" } },
  "nodes": [
    { "name": "conv", "op": "conv2d", "inputs": "image", "filters": 5, "kernel": 3 },
    { "name": "norm", "op": "batch_norm", "momentum": 0.9 },
    { "name": "act", "op": "relu" },
    { "name": "flat", "op": "flatten" },
    { "name": "drop", "op": "dropout", "rate": 0.3 },
    { "name": "scores", "op": "dense", "units": 4 },
    { "name": "probabilities", "op": "softmax" } ],
  "loss": { "op": "categorical_crossentropy", "prediction": "probabilities", "target": "label" },
  "metrics": ["accuracy"],
  "optimizer": { "op": "adamw", "learning_rate": 0.02 },
  "train": { "batch_size": 24, "epochs": 40, "validation_split": 0.2,
    "schedule": { "op": "plateau", "monitor": "val_accuracy", "factor": 0.5, "patience": 3, "cooldown": 1, "warmup_steps": 15 },
    "ema": { "decay": 0.95 },
    "early_stopping": { "monitor": "val_accuracy", "patience": 9 },
    "keep": "best" },
  "data": { "format": "synthetic", "samples": 640, "test_samples": 40, "seed": 3,
    "augment": { "image": { "flip": "horizontal", "shift": 1, "rotate": 15, "zoom": 0.1, "brightness": 0.1, "noise": 0.05 } } } }
"#;

fn graph() -> Folder {
    Folder::with(&[("net.graph.json", GRAPH.as_bytes())])
}

/// The files that must be the same bytes whatever happened: weights, and the last checkpoint's tensors.
fn tensors(run: &Path) -> Vec<(String, Vec<u8>)> {
    let is_tensors = |name: &String| name.ends_with(".safetensors");
    let mut files: Vec<String> = names(run).into_iter().filter(is_tensors).collect();
    let last = names(&run.join("checkpoint")).into_iter().rfind(is_tensors);
    files.extend(last.map(|name| format!("checkpoint/{name}")));
    files.into_iter().map(|name| (name.clone(), fs::read(run.join(name)).unwrap())).collect()
}

#[track_caller]
fn assert_same(run: &Path, whole: &Path) {
    let (found, expected) = (tensors(run), tensors(whole));
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    for ((name, found), (_, expected)) in found.iter().zip(&expected) {
        assert!(found == expected, "{}/{name} differs", run.display());
    }
    assert_eq!(history(run), history(whole));
}

fn receipt(run: &Path) -> String {
    fs::read_to_string(run.join("receipt.json")).unwrap()
}

/// The history without times.
fn history(run: &Path) -> String {
    let mut history = History::read_csv(&run.join("history.csv")).unwrap();
    history.records.iter_mut().for_each(|record| record.seconds = 0.0);
    format!("{history:?}")
}

/// The results without times.
fn results(run: &Path) -> Value {
    let run: Value = serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap();
    run["results"].clone()
}

/// Between 0 and `below`: another part of it for every `n`, evenly spread.
fn part(below: Duration, n: usize) -> Duration {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    below.mul_f64((n as f64 * GOLDEN).fract())
}

/// Other threads, another instruction set.
fn machine(n: usize) -> [&'static str; 4] {
    ["--threads", ["1", "2", "3"][n % 3], "--isa", ["native", "portable", "fma"][(n / 2) % 3]]
}

fn is_begun(run: &Path) -> bool {
    run.join("checkpoint").is_dir() && names(&run.join("checkpoint")).iter().any(|name| name.ends_with(".json"))
}

/// `GRAPHC_KILLS=100` looks longer.
#[test]
fn killed_at_any_moment_a_run_goes_on_to_the_same_bytes() {
    let n_kills: usize = std::env::var("GRAPHC_KILLS").ok().map_or(8, |n| n.parse().unwrap());
    let folder = graph();
    let start = Instant::now();
    folder.ok(&["train", "net.graph.json", "--quiet", "--out", "whole"]);
    let whole_time = start.elapsed();
    let whole = folder.path("whole");
    let n_epochs = results(&whole)["epochs_finished"].as_u64().unwrap();
    assert_eq!(results(&whole)["ended"], "early_stopping");
    assert!(n_epochs > 10 && results(&whole)["best_epoch"].as_u64() < Some(n_epochs));
    let rates: Vec<f64> =
        History::read_csv(&whole.join("history.csv")).unwrap().records.iter().map(|r| r.learning_rate).collect();
    assert!(rates.iter().any(|rate| *rate < 0.011), "the rate has fallen: {rates:?}");

    let (mut n_runs, mut n_resumed, mut n, mut run_name) = (0, 0, 0, String::new());
    while n < n_kills {
        n_runs += 1;
        run_name = format!("run-{n_runs}");
        let run = folder.path(&run_name);
        loop {
            let begun = is_begun(&run);
            let first = if begun { ["train", "--resume", &run_name] } else { ["train", "net.graph.json", "--out"] };
            let mut args = first.to_vec();
            match begun {
                false => args.extend([&run_name, "--checkpoint-every", ["1", "5", "1e"][n_runs % 3]]),
                // Now and then at another pace.
                true if n % 4 == 3 => args.extend(["--checkpoint-every", ["7", "1e", "1s", "1", "epoch"][n % 5]]),
                true => {}
            }
            args.push("--quiet");
            args.extend(machine(n));
            let mut command = folder.command(&args);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            if n < n_kills {
                std::thread::sleep(part(whole_time, n));
                n += 1;
                child.kill().unwrap();
            }
            let output = child.wait_with_output().unwrap();
            n_resumed += usize::from(begun);
            if output.status.code().is_some() {
                assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
                break;
            }
        }
        assert_same(&run, &whole);
        assert_eq!(results(&run), results(&whole), "{run_name}");
        assert!(receipt(&run) == receipt(&whole), "{run_name}: another receipt");
        assert_no_temporary_file(&run);
    }
    eprintln!("{n_kills} kills of {n_runs} runs of {n_epochs} epochs, {n_resumed} times resumed");
    assert!(folder.path(&run_name).join("last.safetensors").exists());
}

fn started(mut command: Command) -> Child {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    first_line(child.stdout.as_mut().unwrap());
    child
}

#[test]
fn ctrl_c_writes_a_checkpoint_in_the_middle_of_an_epoch_and_the_hint_goes_on() {
    let folder = graph();
    folder.ok(&["train", "net.graph.json", "--quiet", "--out", "whole", "--epochs", "30"]);
    for signal in [Signal::INT, Signal::TERM] {
        let name = format!("it's {signal:?}");
        let args =
            ["train", "net.graph.json", "--json", "--epochs", "30", "--out", &name, "--checkpoint-every", "none"];
        let child = started(folder.command(&args));
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        let stderr = text(&output.stderr);
        if output.status.success() {
            continue; // It was faster than the signal.
        }
        let run = folder.path(&name);
        assert!(!run.join("model.safetensors").exists(), "weights are written in the end");
        assert_eq!(results(&run)["status"], "stopped");
        assert!(results(&run)["stopped_in"]["epoch"].is_number());
        let command = stderr.lines().last().unwrap().trim();
        assert!(command.starts_with(&format!("{} train --resume 'it", env!("CARGO_BIN_EXE_graphc"))), "{stderr}");
        let output = Command::new("sh").args(["-c", command]).current_dir(folder.path(".")).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(
            fs::read(run.join("model.safetensors")).unwrap(),
            fs::read(folder.path("whole/model.safetensors")).unwrap()
        );
        assert_eq!(results(&run)["status"], "finished");
    }
}

#[test]
fn a_finished_run_is_left_as_it_is_or_goes_on_with_more_epochs() {
    let folder = graph();
    folder.ok(&["train", "net.graph.json", "--quiet", "--out", "whole", "--epochs", "9"]);
    folder.ok(&["train", "net.graph.json", "--quiet", "--out", "run", "--epochs", "4"]);
    let run = folder.path("run");
    let before = tensors(&run);
    let said = folder.ok(&["train", "--resume", "run"]);
    assert!(said.contains("This run is finished, after 4 epochs; more `--epochs` go on with it"), "{said}");
    assert!(tensors(&run) == before);
    assert_eq!(folder.fails(1, &["train", "net.graph.json", "--out", "run"]), RESUME_OR_OTHER);

    // From another folder; data and the copy of the graph file are found.
    let elsewhere = folder.path("else");
    fs::create_dir(&elsewhere).unwrap();
    let mut command = folder.command(&["train", "--resume", "../run", "--epochs", "9", "--json"]);
    let output = command.current_dir(&elsewhere).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    assert_eq!(stdout.lines().count(), 5 + 1, "{stdout}");
    let end: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(end["run"], "../run");
    assert_same(&run, &folder.path("whole"));
    // Its receipt says that more epochs were wanted later, and has the same tensors.
    let epochs = |run: &Path| serde_json::from_str::<Value>(&receipt(run)).unwrap()["epochs"].clone();
    let (found, expected) = (epochs(&run), epochs(&folder.path("whole")));
    assert_eq!((&found[9]["tensors"], &found[5]["options"][0]["epochs"]), (&expected[9]["tensors"], &9.into()));
}

const RESUME_OR_OTHER: &str =
    "error: run: the run folder holds a run: `--resume` goes on with it, or give another one\n";

#[test]
fn what_cannot_go_on_is_said() {
    let folder = graph();
    folder.ok(&["train", "net.graph.json", "--quiet", "--out", "run", "--epochs", "2"]);
    let fails = |args: &[&str]| folder.fails(1, &[&["train", "--resume"], args].concat());
    let none = "there is no checkpoint to go on from; is this the folder of a run?\n";
    fs::create_dir(folder.path("empty")).unwrap();
    assert_eq!(fails(&["empty"]), format!("error: empty: {none}"));
    assert_eq!(
        fails(&["missing"]),
        "error: missing: cannot open the run folder: No such file or directory (os error 2)\n"
    );
    assert_eq!(fails(&["run", "--seed", "5"]), "error: `--seed` of a run stays what it was when it began: 1\n");
    assert_eq!(fails(&["run", "--limit", "5"]), "error: `--limit` of a run stays what it was when it began: none\n");
    assert_eq!(
        fails(&["run", "--batch-size", "5"]),
        "error: `--batch-size` of a run stays what it was when it began: 24\n"
    );
    fs::write(folder.path("other.graph.json"), GRAPH.replace("0.95", "0.9")).unwrap();
    let message = folder.fails(1, &["train", "other.graph.json", "--resume", "run"]);
    assert!(message.starts_with("error: other.graph.json: not the graph file that run began with; "), "{message}");
    assert!(folder.fails(2, &["train", "--resume", "run", "--out", "x"]).contains("cannot be used with"));
    assert!(folder.fails(2, &["train"]).contains("required"));
    folder.ok(&["train", "net.graph.json", "--resume", "run", "--quiet"]);

    // A torn checkpoint is passed over, with a word; without any there is nothing to go on from.
    let checkpoints = folder.path("run/checkpoint");
    let states: Vec<String> = names(&checkpoints).into_iter().filter(|name| name.ends_with(".json")).collect();
    let cut = |name: &str| {
        let path = checkpoints.join(name).with_extension("safetensors");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    };
    let weights = fs::read(folder.path("run/model.safetensors")).unwrap();
    cut(&states[1]);
    let output = folder.run(&["train", "--resume", "run", "--quiet"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let warning = format!(
        "warning: run/checkpoint/{}: the checkpoint is damaged: the checksum of its tensors is wrong; the one before it is used\n",
        states[1]
    );
    assert_eq!(text(&output.stderr), warning);
    assert_eq!(fs::read(folder.path("run/model.safetensors")).unwrap(), weights);
    names(&checkpoints).iter().filter(|name| name.ends_with(".json")).for_each(|name| cut(name));
    let message = fails(&["run"]);
    assert!(message.starts_with("error: run: there is no checkpoint to go on from\n  run/checkpoint/"), "{message}");
}

#[test]
fn runs_are_listed() {
    let folder = graph();
    let none = folder.fails(1, &["runs"]);
    assert_eq!(none, "error: runs: cannot read the folder: No such file or directory (os error 2)\n");
    fs::create_dir_all(folder.path("runs/other")).unwrap();
    assert_eq!(folder.ok(&["runs"]), "No runs in runs\n");
    folder.ok(&["train", "net.graph.json", "--quiet", "--epochs", "2"]);
    folder.ok(&["train", "net.graph.json", "--quiet", "--epochs", "1", "--seed", "7", "--lr", "0.5"]);
    let table = folder.ok(&["runs"]);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[3][..7], ["runs/eventful-1", "finished", "2/2", "24", "0.02", "plateau", "1"], "{table}");
    assert_eq!(lines[4][..7], ["runs/eventful-2", "finished", "1/1", "24", "0.5", "plateau", "7"], "{table}");
    let json = folder.ok(&["runs", "runs/eventful-2", "--json"]);
    let run: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&run["run"], &run["seed"]), (&"runs/eventful-2".into(), &7.into()));
    assert_eq!(run["results"], results(&folder.path("runs/eventful-2")));
    let mut killed = started(folder.command(&["train", "net.graph.json", "--json", "--checkpoint-every", "1e"]));
    let status = || folder.ok(&["runs"]).lines().nth(5)?.split_whitespace().nth(1).map(String::from);
    // The first checkpoint may still be on its way to the disk.
    while status().is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(status().as_deref(), Some("running"));
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(status().as_deref(), Some("interrupted"));
}
