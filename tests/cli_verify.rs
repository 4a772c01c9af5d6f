//! Runs that are trained again: a true one is verified on other threads and instructions, and of one that somebody has
//! changed, what was changed is named.

use crate::common::folder::{Folder, text};
use crate::common::watching::names;
use graphc_driver::BITS_REVISION;
use graphc_train::run::hash_bytes;
use graphc_train::weights::{NamedTensor, TensorData, encode_tensors, read_tensors, write_tensors};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// Arrays in files, with moving statistics, dropout, averages and a schedule of the whole length.
const GRAPH: &str = r#"{ "graphc": 1, "name": "net",
  "inputs": { "x": { "shape": ["N", 6] }, "y": { "shape": ["N"], "dtype": "i32" } },
  "nodes": [
    { "name": "hidden", "op": "dense", "inputs": "x", "units": 8 },
    { "name": "norm", "op": "batch_norm", "momentum": 0.9 },
    { "name": "act", "op": "relu" },
    { "name": "drop", "op": "dropout", "rate": 0.2 },
    { "name": "scores", "op": "dense", "units": 3 },
    { "name": "probabilities", "op": "softmax" } ],
  "loss": { "op": "categorical_crossentropy", "prediction": "probabilities", "target": "y" },
  "metrics": ["accuracy", "f1"],
  "optimizer": { "op": "adam", "learning_rate": 0.02 },
  "train": { "batch_size": 16, "epochs": 4, "validation_split": 0.2, "schedule": { "op": "cosine" }, "ema": { "decay": 0.9 },
    "keep": "best" },
  "data": { "format": "npy", "scale": 0.0078125, "train": { "x": "data/x.npy", "y": "data/y.npy" },
    "test": { "x": "data/x.npy", "y": "data/y.npy" } } }
"#;

fn npy(shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
    let padded = format!("{header:<117}\n");
    [b"\x93NUMPY\x01\x00", (padded.len() as u16).to_le_bytes().as_slice(), padded.as_bytes(), bytes].concat()
}

const N: usize = 100;

/// A folder with data, as somebody has it who trains.
fn data() -> Folder {
    let folder = Folder::with(&[("net.graph.json", GRAPH.as_bytes())]);
    fs::create_dir(folder.path("data")).unwrap();
    let x: Vec<u8> = (0..N * 6).map(|i| ((i * 89 + i / 6 % 3 * 70) % 251) as u8).collect();
    let y: Vec<u8> = (0..N).map(|i| (i % 3) as u8).collect();
    fs::write(folder.path("data/x.npy"), npy(&format!("({N}, 6)"), &x)).unwrap();
    fs::write(folder.path("data/y.npy"), npy(&format!("({N},)"), &y)).unwrap();
    folder
}

const TRAIN: [&str; 4] = ["train", "net.graph.json", "--checkpoint-every", "1e"];

/// With `run`, of which every checkpoint is kept.
fn trained() -> Folder {
    static RUN: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    let files = RUN.get_or_init(|| {
        let folder = data();
        folder.ok(&[&TRAIN[..], &["--keep-checkpoints", "all", "--out", "run"]].concat());
        let in_folder = |of: &str| {
            let files = names(&folder.path(of)).into_iter().map(move |name| format!("{of}/{name}"));
            files.filter(|path| folder.path(path).is_file()).collect::<Vec<_>>()
        };
        let paths = [in_folder("run"), in_folder("run/checkpoint")].concat();
        paths.into_iter().map(|path| (path.clone(), fs::read(folder.path(&path)).unwrap())).collect()
    });
    let folder = data();
    fs::create_dir_all(folder.path("run/checkpoint")).unwrap();
    files.iter().for_each(|(path, bytes)| fs::write(folder.path(path), bytes).unwrap());
    // It was trained in another folder.
    edit(&folder.path("run/run.json"), |run| run["paths"]["graph"] = json!(folder.path("net.graph.json")));
    folder
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = read(path);
    change(&mut value);
    fs::write(path, format!("{value:#}\n")).unwrap();
}

/// Makes the chains of a receipt follow again, as `docs/training.md` says how they do.
fn forge(path: &Path, change: impl FnOnce(&mut Value)) {
    edit(path, |receipt| {
        change(receipt);
        let mut before = String::new();
        let mut link = |entry: &mut Value| {
            let entry = entry.as_object_mut().unwrap();
            entry.shift_remove("chain");
            before = hash_bytes(format!("{before}\n{}", Value::Object(entry.clone())).as_bytes());
            entry.insert("chain".into(), json!(before));
        };
        link(&mut receipt["begin"]);
        receipt["epochs"].as_array_mut().unwrap().iter_mut().for_each(&mut link);
        if receipt["end"].is_object() {
            link(&mut receipt["end"]);
        }
    });
}

fn change_weight(path: &Path, name: &str) {
    let mut tensors: Vec<NamedTensor> = read_tensors(path).unwrap().into_values().collect();
    let tensor = tensors.iter_mut().find(|tensor| tensor.name == name).unwrap();
    let TensorData::F32(values) = &mut tensor.data else { panic!("weights are f32") };
    values[1] = f32::from_bits(values[1].to_bits() ^ 1);
    write_tensors(path, &tensors).unwrap();
}

fn verify(folder: &Folder) -> String {
    folder.ok(&["verify", "run"])
}

/// What is said on stderr; the exit code is 1.
#[track_caller]
fn refused(folder: &Folder, args: &[&str]) -> String {
    let output = folder.run(&[&["verify", "run"], args].concat());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    text(&output.stderr)
}

#[test]
fn a_true_run_is_verified_on_any_threads_and_instructions() {
    let folder = trained();
    let before = names(&folder.path("run"));
    let said = verify(&folder);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("Training epochs 1 to 4 of `net` again, on "), "{said}");
    assert!(lines[1].starts_with("epoch  1/4  ") && lines[4].ends_with(" tensors the same"), "{said}");
    let chain = read(&folder.path("run/receipt.json"))["end"]["chain"].as_str().unwrap().to_string();
    let n_tensors = read(&folder.path("run/receipt.json"))["epochs"][4]["tensors"].as_object().unwrap().len();
    let files = "model.safetensors, last.safetensors";
    let expected = format!("Verified: 4 epochs, {n_tensors} tensors, 5 checkpoints, {files}");
    assert_eq!(lines[5..], [expected, format!("Receipt {}", &chain[..16])]);
    for (threads, isa) in [("1", "portable"), ("3", "fma"), ("2", "baseline")] {
        let said = folder.ok(&["verify", "run", "--threads", threads, "--isa", isa, "--json"]);
        let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let end = lines.last().unwrap();
        assert_eq!((&end["verified"], &end["epochs"], &end["checkpoints"]), (&json!(true), &json!(4), &json!(5)));
        assert_eq!((&end["receipt"], lines.len()), (&json!(chain), 5), "{said}");
    }
    assert_eq!(names(&folder.path("run")), before, "it writes nothing");
}

#[test]
fn a_stretch_begins_from_its_checkpoint() {
    let folder = trained();
    for (epochs, lines, what) in [
        ("2..3", 2, "epochs 2 to 3 of 4"),
        ("4", 1, "epochs 4 to 4 of 4"),
        ("3..", 2, "epochs 3 to 4 of 4"),
        ("..2", 2, "epochs 1 to 2 of 4"),
    ] {
        let said = folder.ok(&["verify", "run", "--epochs", epochs]);
        assert_eq!(said.lines().count(), lines + 3, "{said}");
        let last = said.lines().nth(lines + 1).unwrap();
        assert!(last.starts_with(&format!("Verified: {what}, ")), "{said}");
        assert_eq!(last.contains("model.safetensors"), epochs != "2..3" && epochs != "..2", "{said}");
    }
    let message = refused(&folder, &["--epochs", "3..5"]);
    assert_eq!(message, "error: `--epochs 3..5`: the run has epochs 1 to 4\n");
    assert!(folder.fails(2, &["verify", "run", "--epochs", "0"]).contains("expected epochs such as 3..4"));
    fs::remove_file(folder.path("run/checkpoint/000000000010.json")).unwrap();
    assert_eq!(
        refused(&folder, &["--epochs", "3"]),
        "error: run: there is no checkpoint after epoch 2: there are some after epochs 0, 1, 3, 4. `graphc train \
         --checkpoint-every 1e --keep-checkpoints all` keeps them; without `--epochs` the whole run is trained again\n"
    );
}

#[test]
fn a_changed_weight_is_named() {
    let folder = trained();
    change_weight(&folder.path("run/model.safetensors"), "scores.bias");
    let message = refused(&folder, &[]);
    // Rewritten by hand, the file has lost what it says of the data; here that is nothing.
    let expected =
        "error: not verified: run/model.safetensors: 1 of 8 tensors differ, the first is `scores.bias` at [1]: ";
    assert!(message.starts_with(expected), "{message}");
    let output = folder.run(&["verify", "run", "--json"]);
    let end: Value = serde_json::from_str(text(&output.stdout).lines().last().unwrap()).unwrap();
    assert_eq!((&end["verified"], &end["tensor"]), (&json!(false), &json!("scores.bias")));

    // In a checkpoint, with checksums that are right.
    let folder = trained();
    let checkpoint = |name: &str| {
        let (json, tensors) = (format!("run/checkpoint/{name}.json"), format!("run/checkpoint/{name}.safetensors"));
        change_weight(&folder.path(&tensors), "hidden.kernel");
        let crc = |bytes: &[u8]| {
            let mut crc = flate2::Crc::new();
            crc.update(bytes);
            json!(format!("{:08x}", crc.sum()))
        };
        edit(&folder.path(&json), |file| {
            file["checkpoint"]["tensors"]["crc32"] = crc(&fs::read(folder.path(&tensors)).unwrap());
            file["crc32"] = crc(file["checkpoint"].to_string().as_bytes());
        });
    };
    checkpoint("000000000010");
    let message = refused(&folder, &[]);
    let expected = "error: not verified: run/checkpoint/000000000010.safetensors: 1 of ";
    assert!(message.starts_with(expected) && message.contains("the first is `hidden.kernel` at [0,1]: "), "{message}");
    let message = refused(&folder, &["--epochs", "3"]);
    let expected = "error: not verified: run/checkpoint/000000000010.safetensors: after epoch 2: 1 of ";
    assert!(message.starts_with(expected) && message.contains("the first is `hidden.kernel` (sha256 "), "{message}");
}

#[test]
fn a_changed_data_byte_is_named_and_so_is_where_it_tells() {
    let folder = trained();
    let path = folder.path("data/x.npy");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    bytes[128] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let now = hash_bytes(&bytes);
    let then = read(&folder.path("run/receipt.json"))["begin"]["data"][0]["sha256"].as_str().unwrap().to_string();
    let changed = format!(
        "train data: data/x.npy has changed since the run began (728 bytes, sha256 {} then, 728 bytes, sha256 {} now)\n",
        &then[..16],
        &now[..16]
    );
    assert_eq!(refused(&folder, &[]), format!("error: {changed}"));
    // Nor does the run go on with it.
    let resume = ["train", "net.graph.json", "--resume", "run", "--epochs", "6"];
    assert_eq!(folder.fails(1, &resume), format!("error: {changed}"));
    forge(&folder.path("run/receipt.json"), |receipt| {
        receipt["begin"]["data"].as_array_mut().unwrap().iter_mut().for_each(|data| {
            if data["sha256"] == then.as_str() {
                data["sha256"] = json!(now);
            }
        });
    });
    let message = refused(&folder, &[]);
    assert!(message.starts_with("error: not verified: epoch 1: ") && message.contains("the first is `"), "{message}");
}

#[test]
fn a_changed_seed_is_named() {
    let folder = trained();
    edit(&folder.path("run/run.json"), |run| run["seed"] = json!(2));
    assert_eq!(refused(&folder, &[]), "error: not verified: run/run.json: `seed` is 2 there, 1 in the receipt\n");
    let set = |file: &mut Value| file["begin"]["seed"] = json!(2);
    edit(&folder.path("run/receipt.json"), set);
    let message = refused(&folder, &[]);
    assert!(message.starts_with("error: run/receipt.json: `begin`: its chain does not follow from "), "{message}");
    forge(&folder.path("run/receipt.json"), set);
    let message = refused(&folder, &[]);
    let expected =
        "error: not verified: before the first step: 2 of 8 tensors differ, the first is `hidden.kernel` (sha256 ";
    assert!(message.starts_with(expected), "{message}");
}

/// What verifying says of a run after a change.
fn said(change: &dyn Fn(&Folder)) -> String {
    let folder = trained();
    change(&folder);
    refused(&folder, &[])
}

/// The same after a change of the receipt, whose chain is mended.
fn forged(change: fn(&mut Value)) -> String {
    said(&|folder| forge(&folder.path("run/receipt.json"), change))
}

#[test]
fn a_receipt_of_another_form_is_refused() {
    let receipt = |change: fn(&mut Value)| said(&|folder| edit(&folder.path("run/receipt.json"), change));
    let message = receipt(|receipt| receipt["epochs"][3]["measured"]["val_loss"] = json!("0.001"));
    assert!(message.starts_with("error: run/receipt.json: epoch 3: its chain does not follow from "), "{message}");
    let message = receipt(|receipt| receipt["receipt"] = json!(2));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        message,
        format!("error: run/receipt.json: a receipt of format 2, but graphc {version} reads format 1\n")
    );
    let message = forged(|receipt| receipt["epochs"][0]["options"][0]["bits"] = json!(1234));
    let expected = format!(
        "error: run/receipt.json: a receipt of revision 1234 of graphc's bits, written by graphc {version}, but"
    );
    assert!(message.starts_with(&expected), "{message}");
}

#[test]
fn forged_results_are_named() {
    // What history.csv has beside it does not fit a forged result, and training again shows which is right.
    let message = forged(|receipt| receipt["epochs"][3]["measured"]["val_loss"] = json!("0.001"));
    let expected = "error: not verified: run/history.csv: `epoch 3: val_loss` is ";
    assert!(message.starts_with(expected) && message.ends_with(" there, 0.001 in the receipt\n"), "{message}");
    let message = said(&|folder| {
        forge(&folder.path("run/receipt.json"), |receipt| {
            receipt["epochs"][3]["measured"]["val_loss"] = json!("0.001");
        });
        let csv = fs::read_to_string(folder.path("run/history.csv")).unwrap();
        let lines = csv.lines().enumerate().map(|(number, line)| {
            let mut cells: Vec<&str> = line.split(',').collect();
            if number == 3 {
                cells[3] = "0.001";
            }
            cells.join(",") + "\n"
        });
        fs::write(folder.path("run/history.csv"), lines.collect::<String>()).unwrap();
    });
    let expected = "error: not verified: epoch 3: `val_loss` is ";
    assert!(message.starts_with(expected) && message.contains(" trained again, 0.001 in the receipt"), "{message}");
    let message = forged(|receipt| receipt["epochs"][0]["options"][0]["learning_rate"] = json!("0.03"));
    assert!(message.starts_with("error: not verified: epoch 1: ") && message.contains("tensors differ"), "{message}");
    let message = forged(|receipt| receipt["end"]["best"]["epoch"] = json!(9));
    assert!(message.starts_with("error: not verified: `best` of the end is "), "{message}");
}

#[test]
fn whatever_else_was_changed_is_named() {
    let message =
        said(&|folder| edit(&folder.path("run/run.json"), |run| run["results"]["test_accuracy"] = json!(1.5)));
    assert!(message.starts_with("error: not verified: run/run.json: `test_accuracy` is 1.5 there, "), "{message}");

    let message = said(&|folder| fs::write(folder.path("run/graph.json"), GRAPH.replace("0.02", "0.03")).unwrap());
    assert!(
        message.starts_with("error: not verified: run/graph.json is not the graph file of the receipt "),
        "{message}"
    );
    let message = said(&|folder| fs::remove_file(folder.path("run/receipt.json")).unwrap());
    assert_eq!(
        message,
        "error: run: there is no `receipt.json`: a run writes it in the end, and `graphc train --resume` comes to there\n"
    );
    let message = said(&|folder| fs::remove_file(folder.path("run/last.safetensors")).unwrap());
    assert!(message.starts_with("error: run/last.safetensors: cannot read the weights: "), "{message}");
}

#[test]
fn data_that_has_moved_is_found_where_it_is_said() {
    let folder = trained();
    fs::create_dir(folder.path("there")).unwrap();
    fs::rename(folder.path("data"), folder.path("there/data")).unwrap();
    let message = refused(&folder, &[]);
    assert!(
        message.contains("the data file for `x` ") && message.contains("`--data DIR` says from where"),
        "{message}"
    );
    assert!(folder.ok(&["verify", "run", "--data", "there"]).contains("Verified: 4 epochs"));
}

/// Whatever has interrupted a run, its receipt has the same bytes; and what was changed in between is trained again as
/// it was.
#[test]
fn runs_that_went_on_leave_receipts_that_can_be_verified() {
    let folder = trained();
    let whole = fs::read(folder.path("run/receipt.json")).unwrap();
    // From any checkpoint, as a kill leaves it.
    for n_kept in 1..5 {
        let name = format!("killed-{n_kept}");
        fs::create_dir_all(folder.path(&name).join("checkpoint")).unwrap();
        fs::copy(folder.path("run/graph.json"), folder.path(&name).join("graph.json")).unwrap();
        for file in names(&folder.path("run/checkpoint")).into_iter().take(2 * n_kept) {
            fs::copy(folder.path("run/checkpoint").join(&file), folder.path(&name).join("checkpoint").join(&file))
                .unwrap();
        }
        let resume = ["train", "net.graph.json", "--resume", &name, "--threads", "1", "--isa", "portable"];
        folder.ok(&resume);
        assert!(fs::read(folder.path(&name).join("receipt.json")).unwrap() == whole, "from checkpoint {n_kept}");
    }
    // In the middle of an epoch, with another rate from there on.
    let in_epoch =
        ["train", "net.graph.json", "--checkpoint-every", "3", "--keep-checkpoints", "all", "--out", "steps"];
    folder.ok(&in_epoch);
    assert!(fs::read(folder.path("steps/receipt.json")).unwrap() == whole);
    names(&folder.path("steps/checkpoint")).iter().filter(|name| name.as_str() > "000000000008").for_each(|name| {
        fs::remove_file(folder.path("steps/checkpoint").join(name)).unwrap();
    });
    folder.ok(&["train", "--resume", "steps", "--lr", "0.01", "--quiet"]);
    let receipt = read(&folder.path("steps/receipt.json"));
    let changed = json!([{ "step": 1, "bits": BITS_REVISION, "epochs": 4, "learning_rate": "0.01" }]);
    assert_eq!(receipt["epochs"][2]["options"], changed);
    let said = folder.ok(&["verify", "steps"]);
    // Before the first step, after every third, and at the end.
    assert!(said.contains("Verified: 4 epochs, ") && said.contains(", 8 checkpoints, "), "{said}");

    // Another rate for two more epochs, and then for one more the old one.
    folder.ok(&["train", "--resume", "killed-2", "--epochs", "6", "--lr", "0.005", "--quiet"]);
    folder.ok(&["train", "--resume", "killed-2", "--epochs", "7", "--lr", "0.02", "--quiet"]);
    let receipt = read(&folder.path("killed-2/receipt.json"));
    let options = |epoch: usize| receipt["epochs"][epoch]["options"].clone();
    assert_eq!(options(5), json!([{ "step": 0, "bits": BITS_REVISION, "epochs": 6, "learning_rate": "0.005" }]));
    assert_eq!(options(7), json!([{ "step": 0, "bits": BITS_REVISION, "epochs": 7, "learning_rate": "0.02" }]));
    let said = folder.ok(&["verify", "killed-2"]);
    assert!(said.contains("Verified: 7 epochs, "), "{said}");
    // From a checkpoint between, at which other options came into force.
    let said = folder.ok(&["verify", "killed-2", "--epochs", "7"]);
    assert!(said.contains("Verified: epochs 7 to 7 of 7, "), "{said}");
    assert_eq!(read(&folder.path("killed-2/receipt.json")), receipt);
}

#[cfg(unix)]
#[test]
fn a_run_that_was_stopped_is_verified_as_far_as_it_came() {
    use crate::common::watching::first_line;
    use rustix::process::{Pid, Signal, kill_process};
    use std::process::Stdio;
    let folder = data();
    let mut command = folder.command(&["train", "net.graph.json", "--json", "--epochs", "5000", "--out", "run"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    first_line(child.stdout.as_mut().unwrap());
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert!(!folder.path("run/model.safetensors").exists());
    let said = verify(&folder);
    let lines: Vec<&str> = said.lines().rev().skip(1).take(2).collect();
    let n_epochs = said.lines().filter(|line| line.starts_with("epoch")).count();
    assert_eq!(lines[1], "The run has not come to its end, so weights and results are not compared");
    assert!(lines[0].starts_with(&format!("Verified: {n_epochs} epoch")), "{said}");
}

#[test]
fn weights_to_start_from_are_part_of_it() {
    let folder = trained();
    folder.ok(&[&TRAIN[..], &["--init", "run/model.safetensors", "--epochs", "2", "--out", "next"]].concat());
    assert!(folder.ok(&["verify", "next"]).contains("Verified: 2 epochs"));
    fs::rename(folder.path("run/model.safetensors"), folder.path("w")).unwrap();
    let message = folder.fails(1, &["verify", "next"]);
    assert_eq!(
        message,
        "error: next: the run started from weights that are not here: `--init WEIGHTS` says where they are\n"
    );
    assert!(folder.ok(&["verify", "next", "--init", "w"]).contains("Verified: 2 epochs"));
    let other =
        encode_tensors(&read_tensors(&folder.path("run/last.safetensors")).unwrap().into_values().collect::<Vec<_>>());
    fs::write(folder.path("w"), other.unwrap()).unwrap();
    let message = folder.fails(1, &["verify", "next", "--init", "w"]);
    assert!(message.starts_with("error: the file of initial weights has changed since the run began ("), "{message}");
}

#[test]
fn the_summary_of_a_training_names_its_receipt() {
    let folder = data();
    let said = folder.ok(&[&TRAIN[..], &["--json", "--out", "run"]].concat());
    let end: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let receipt = read(&folder.path("run/receipt.json"));
    assert_eq!(end["receipt"], receipt["end"]["chain"]);
    let text = fs::read_to_string(folder.path("run/receipt.json")).unwrap();
    assert!(!text.contains(&*folder.path("").to_string_lossy()), "no absolute paths");
    // The same again, on other threads, in another folder: the same bytes.
    let other = data();
    let said = other.ok(&[&TRAIN[..], &["--threads", "1", "--isa", "portable", "--out", "another"]].concat());
    assert_eq!(fs::read_to_string(other.path("another/receipt.json")).unwrap(), text);
    let chain = receipt["end"]["chain"].as_str().unwrap();
    assert!(said.contains(&format!("\nReceipt {}\n", &chain[..16])), "{said}");
    let kept = names(&other.path("another/checkpoint"));
    assert_eq!(kept.len(), 4, "the last two checkpoints: {kept:?}");
}
