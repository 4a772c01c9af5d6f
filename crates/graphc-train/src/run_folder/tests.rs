//! Whose a folder is, what is written to it, and where the weights go when it fails.

use super::*;
use crate::files::tests::{faults, names};
use crate::history::tests::history;
use crate::weights::{NamedTensor, TensorData, encode_tensors, read_tensors};
use faults::Fault;

fn info() -> RunInfo {
    RunInfo {
        name: "net".into(),
        config: serde_json::json!({ "epochs": 2 }),
        paths: serde_json::json!({ "graph": "/x/net.graph.json" }),
        seed: 7,
        versions: BTreeMap::from([("graphc".into(), "0.1.0".into())]),
        isa: "x86-64".into(),
        timings: serde_json::json!({ "compile_ms": 1.5 }),
        results: serde_json::json!({ "test_loss": null }),
    }
}

fn weights() -> [NamedTensor; 1] {
    [NamedTensor { name: "w".into(), shape: vec![3], data: TensorData::F32(vec![2.0, -1.5, 0.25]) }]
}

fn weight_bytes() -> Vec<u8> {
    encode_tensors(&weights()).unwrap()
}

fn assert_weights(path: &Path) {
    assert_eq!(read_tensors(path).unwrap()["w"], weights()[0], "{}", path.display());
}

const ALL: [&str; 5] = ["accuracy.svg", "history.csv", "loss.svg", "model.safetensors", "run.json"];

#[test]
fn writes_everything_and_leaves_no_temporary_file() {
    let base = tempfile::tempdir().unwrap();
    let folder = RunFolder::numbered(base.path(), "net").unwrap();
    // A run may write its weights before the end, too.
    fs::write(folder.weights_path(), "early").unwrap();
    let (folder, problem) = folder.save_weights(&weight_bytes(), "net", &[]).unwrap();
    assert!(problem.is_none());
    folder.write_record(&info(), &history(&[0.5, 0.25])).unwrap();
    assert_eq!(names(folder.path()), ALL);
    let json: serde_json::Value = serde_json::from_slice(&fs::read(folder.path().join("run.json")).unwrap()).unwrap();
    assert_eq!(json["seed"], 7);
    assert_eq!(json["config"]["epochs"], 2);
    let path = folder.path().to_path_buf();
    drop(folder);
    assert!(path.exists(), "a folder with files stays");
}

#[test]
fn no_finished_epoch_has_no_curves() {
    let base = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&base.path().join("a/b")).unwrap();
    folder.write_record(&info(), &History::default()).unwrap();
    assert_eq!(names(folder.path()), ["history.csv", "run.json"]);
}

#[test]
fn numbers_go_on() {
    let base = tempfile::tempdir().unwrap();
    let first = RunFolder::numbered(base.path(), "my net/1").unwrap();
    let second = RunFolder::numbered(base.path(), "my net/1").unwrap();
    assert_eq!(first.path(), base.path().join("my_net_1-1"));
    assert_eq!(second.path(), base.path().join("my_net_1-2"));
    drop((first, second));
    assert!(names(base.path()).is_empty(), "empty folders are removed");
    assert_eq!(file_name("../.."), "_..");
    assert_eq!(file_name(".."), "run");

    // What a killed run left is taken, what holds anything is not.
    for (name, file) in [("net-1", "model.safetensors"), ("net-2", "notes"), ("net-3", ".graphc-left.tmp")] {
        fs::create_dir(base.path().join(name)).unwrap();
        fs::write(base.path().join(name).join(file), "").unwrap();
    }
    let folder = RunFolder::numbered(base.path(), "net").unwrap();
    assert_eq!(folder.path(), base.path().join("net-3"));
    assert!(names(folder.path()).is_empty());
}

#[test]
fn an_existing_folder_is_not_overwritten() {
    let base = tempfile::tempdir().unwrap();
    let message = |path: &Path| {
        let error = RunFolder::create(path).unwrap_err().to_string();
        error.replace(&*base.path().to_string_lossy(), "base")
    };
    fs::write(base.path().join("x"), "").unwrap();
    assert_eq!(message(base.path()), "base: the run folder exists and is not empty; give another one");
    assert_eq!(message(&base.path().join("x")), "base/x: cannot make the run folder: File exists (os error 17)");
    // The history of a run whose weights were moved elsewhere is somebody's, too.
    let run = base.path().join("run");
    fs::create_dir(&run).unwrap();
    fs::write(run.join("history.csv"), "").unwrap();
    assert_eq!(message(&run), "base/run: the run folder exists and is not empty; give another one");
    fs::write(run.join("model.safetensors"), "").unwrap();
    assert_eq!(message(&run), "base/run: the run folder holds the weights of a run; give another one");
    assert_eq!(names(&run), ["history.csv", "model.safetensors"]);
}

#[test]
fn a_folder_that_a_run_has_begun_is_used_again_but_not_while_it_goes_on() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("run");
    let first = RunFolder::create(&path).unwrap();
    fs::write(path.join(".graphc-left.tmp"), "half").unwrap();
    let error = RunFolder::create(&path).unwrap_err().to_string();
    assert!(error.ends_with("run: another training is going on in this run folder; give another one"), "{error}");
    assert!(path.join(".graphc-left.tmp").exists());
    // As a kill leaves it: the lock ends with the process, the folder stays.
    let mut killed = first;
    killed.open = None;
    let second = RunFolder::create(&path).unwrap();
    assert!(names(&path).is_empty(), "what was left unfinished is removed");
    let (second, _) = second.save_weights(&weight_bytes(), "net", &[]).unwrap();
    drop((second, killed));
    assert_weights(&path.join("model.safetensors"));
}

#[test]
fn weights_go_elsewhere_when_their_folder_is_gone_or_another_run_has_it() {
    let base = tempfile::tempdir().unwrap();
    let others = [base.path().join("run/none\0"), base.path().join("other"), base.path().join("third")];
    let save = |folder: RunFolder| {
        let (folder, problem) = folder.save_weights(&weight_bytes(), "net", &others).unwrap();
        assert_weights(&folder.weights_path());
        let problem = problem.unwrap().to_string();
        (folder.path().to_path_buf(), problem.replace(&*base.path().to_string_lossy(), "base"))
    };
    let path = base.path().join("run");
    let folder = RunFolder::create(&path).unwrap();
    fs::remove_dir(&path).unwrap();
    assert_eq!(save(folder), (base.path().join("other/net-saved-1"), "base/run: the run folder is gone".into()));
    assert!(!path.exists());

    let folder = RunFolder::create(&path).unwrap();
    fs::remove_dir(&path).unwrap();
    let another = RunFolder::create(&path).unwrap();
    assert_eq!(save(folder), (base.path().join("other/net-saved-2"), "base/run: the run folder is gone".into()));
    assert!(path.exists(), "the other run's folder is not removed");
    drop(another);

    let mut folder = RunFolder::create(&path).unwrap();
    folder.is_locked = false;
    fs::write(path.join("model.safetensors"), "of another").unwrap();
    let message = "base/run: the run folder holds the weights of another run";
    assert_eq!(save(folder), (base.path().join("other/net-saved-3"), message.into()));
    assert_eq!(fs::read(path.join("model.safetensors")).unwrap(), b"of another");
}

#[test]
fn where_nothing_takes_the_weights_every_place_is_named() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("run");
    let folder = RunFolder::create(&path).unwrap();
    fs::remove_dir(&path).unwrap();
    fs::write(base.path().join("file"), "").unwrap();
    let error = folder.save_weights(&weight_bytes(), "net", &[base.path().join("file")]).unwrap_err().to_string();
    assert_eq!(
        error.replace(&*base.path().to_string_lossy(), "base"),
        "the weights are lost: no place takes them\n  base/run: the run folder is gone\n  \
         base/file: cannot make the run folder: File exists (os error 17)"
    );
}

#[test]
fn a_fault_at_any_step_costs_no_weights() {
    for n_steps in 0.. {
        let base = tempfile::tempdir().unwrap();
        let (path, other) = (base.path().join("run"), base.path().join("other"));
        let folder = RunFolder::create(&path).unwrap();
        let (saved, failed) =
            faults::with(n_steps, Fault::Error, || folder.save_weights(&weight_bytes(), "net", &[other]));
        let (folder, problem) = saved.unwrap();
        assert_eq!(problem.is_some(), failed);
        assert_weights(&folder.weights_path());
        folder.write_record(&info(), &history(&[0.5])).unwrap();
        assert_eq!(names(folder.path()), ALL);
        if !failed {
            assert!(n_steps >= 8, "{n_steps} steps");
            break;
        }
    }
    // A file of the record that fails costs itself only.
    for n_steps in 0.. {
        let base = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(&base.path().join("run")).unwrap();
        let (folder, _) = folder.save_weights(&weight_bytes(), "net", &[]).unwrap();
        let (written, failed) = faults::with(n_steps, Fault::Error, || folder.write_record(&info(), &history(&[0.5])));
        assert_eq!(written.is_err(), failed);
        assert!(names(folder.path()).len() >= ALL.len() - 1);
        if !failed {
            break;
        }
    }
}

/// A whole run as far as files go.
fn run(base: &Path) {
    let folder = RunFolder::create(&base.join("run")).unwrap();
    let (folder, _) = folder.save_weights(&weight_bytes(), "net", &[]).unwrap();
    folder.write_record(&info(), &History::default()).unwrap();
}

#[test]
fn death_at_any_step_leaves_whole_files_and_a_folder_that_can_be_used() {
    if faults::dying(run) {
        return;
    }
    let test = "run_folder::tests::death_at_any_step_leaves_whole_files_and_a_folder_that_can_be_used";
    let whole = tempfile::tempdir().unwrap();
    run(whole.path());
    for n_steps in 0.. {
        let base = tempfile::tempdir().unwrap();
        let died = faults::kill(test, n_steps, base.path());
        let path = base.path().join("run");
        let files = names(&path).into_iter().filter(|name| !is_unfinished(name.as_ref()));
        for file in files {
            assert_eq!(fs::read(path.join(&file)).unwrap(), fs::read(whole.path().join("run").join(&file)).unwrap());
        }
        if path.join("model.safetensors").exists() {
            let error = RunFolder::create(&path).unwrap_err().to_string();
            assert!(error.ends_with("the run folder holds the weights of a run; give another one"), "{error}");
        } else {
            run(base.path());
            assert_eq!(names(&path), ["history.csv", "model.safetensors", "run.json"]);
        }
        if !died {
            break;
        }
    }
}
