//! What the built program writes, and where: files, links, pipes and devices; folders that vanish, are full or
//! read-only; paths that are no text; numbers and names that are not what one expects.
#![cfg(unix)]

use crate::common::folder::{Folder, text};
use crate::common::tiny_run::{self, GRAPH, graph, sh};
use crate::common::watching::{assert_no_temporary_file, first_line, names};
use graphc_train::weights::{read_tensors, write_tensors};
use graphc_train::{NamedTensor, TensorData};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

/// With inputs for `graphc run`.
fn with_inputs() -> Folder {
    let folder = graph();
    let data = TensorData::F32((0..24).map(|i| i as f32 / 24.0).collect());
    let image = NamedTensor { name: "image".into(), shape: vec![2, 2, 2, 3], data };
    write_tensors(&folder.path("x"), &[image]).unwrap();
    folder
}

/// Computes and writes to `outputs`; gives what it says on stderr.
fn run(folder: &Folder, outputs: &str) -> Output {
    folder.run(&["run", "tiny.graph.json", "--inputs", "x", "--outputs", outputs])
}

#[track_caller]
fn assert_ok(output: &Output) {
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn mode(folder: &Folder, name: &str) -> u32 {
    fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o7777
}

#[test]
fn outputs_replace_files_follow_links_and_go_through_pipes_and_devices() {
    let folder = with_inputs();
    assert_ok(&run(&folder, "expected"));
    let expected = fs::read(folder.path("expected")).unwrap();
    let umask = fs::File::create(folder.path("new")).map(|_| mode(&folder, "new")).unwrap();
    assert_eq!(mode(&folder, "expected"), umask);

    fs::write(folder.path("private"), "old").unwrap();
    fs::set_permissions(folder.path("private"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink("private", folder.path("link")).unwrap();
    assert_ok(&run(&folder, "link"));
    assert!(fs::symlink_metadata(folder.path("link")).unwrap().is_symlink());
    assert_eq!((fs::read(folder.path("private")).unwrap(), mode(&folder, "private")), (expected.clone(), 0o600));

    mknodat(CWD, folder.path("pipe"), FileType::Fifo, Mode::from_bits_truncate(0o600), 0).unwrap();
    let pipe = folder.path("pipe");
    let reader = std::thread::spawn(move || fs::read(pipe).unwrap());
    assert_ok(&run(&folder, "pipe"));
    assert_eq!(reader.join().unwrap(), expected);
    assert!(fs::symlink_metadata(folder.path("pipe")).unwrap().file_type().is_fifo());

    let output = run(&folder, "/dev/stdout");
    assert_ok(&output);
    assert_eq!(output.stdout, expected);
    assert_ok(&run(&folder, "/dev/null"));
    assert!(fs::symlink_metadata("/dev/null").unwrap().file_type().is_char_device());
    // Only an administrator can make a device.
    let device = folder.path("device");
    if mknodat(CWD, &device, FileType::CharacterDevice, Mode::from_bits_truncate(0o600), makedev(1, 3)).is_ok() {
        let before = fs::metadata(&device).unwrap().ino();
        run(&folder, "device");
        assert_eq!(fs::metadata(&device).unwrap().ino(), before);
    }
    let output = run(&folder, "/dev/full");
    assert_eq!(
        text(&output.stderr).lines().last(),
        Some("error: /dev/full: cannot write: No space left on device (os error 28)")
    );
    assert_eq!(output.status.code(), Some(1));
    assert_no_temporary_file(&folder.path("."));
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_computed() {
    let folder = with_inputs();
    let fails = |args: &[&str]| folder.fails(1, args);
    let run = |outputs: &str| fails(&["run", "tiny.graph.json", "--inputs", "x", "--outputs", outputs]);
    assert_eq!(
        run("none/y"),
        "error: none/y: cannot write into the folder none: No such file or directory (os error 2)\n"
    );
    assert_eq!(run("."), "error: .: cannot write: is a directory\n");
    assert_eq!(run("none/"), "error: none/: cannot write: No such file or directory (os error 2)\n");
    let trace = ["profile", "tiny.graph.json", "--seconds", "9999", "--trace", "x/y"];
    assert_eq!(fails(&trace), "error: x/y: cannot write: Not a directory (os error 20)\n");
    let mut tune = folder.command(&["tune", "tiny.graph.json", "--seconds", "9999"]);
    let output = tune.env("GRAPHC_CACHE_DIR", folder.path("x")).output().unwrap();
    let message = format!("error: {}: cannot make the folder: File exists (os error 17)\n", folder.path("x").display());
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), message));
}

#[test]
fn traces_and_tuned_choices_are_written_like_everything_else() {
    let folder = graph();
    fs::write(folder.path("file"), "old").unwrap();
    fs::set_permissions(folder.path("file"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("file", folder.path("link")).unwrap();
    let measure = ["--seconds", "0.01", "--threads", "1", "--json"];
    folder.ok(&[&["profile", "tiny.graph.json", "--trace", "link"], &measure[..]].concat());
    assert!(fs::symlink_metadata(folder.path("link")).unwrap().is_symlink());
    serde_json::from_slice::<Value>(&fs::read(folder.path("file")).unwrap()).unwrap();
    assert_eq!(mode(&folder, "file"), 0o640);

    let tune = || folder.ok(&[&["tune", "tiny.graph.json"], &measure[..]].concat());
    let stored: Value = serde_json::from_str(&tune()).unwrap();
    let stored = stored["stored"][0].as_str().unwrap().to_string();
    fs::rename(&stored, folder.path("moved")).unwrap();
    symlink(folder.path("moved"), &stored).unwrap();
    fs::write(folder.path("cache/.graphc-left.tmp"), "half").unwrap();
    tune();
    assert!(fs::symlink_metadata(&stored).unwrap().is_symlink());
    assert_no_temporary_file(&folder.path("."));
}

/// Trains into `run` with more output than a pipe holds, calls `meanwhile` after the first epoch, and reads on.
fn train_while(mut command: Command, meanwhile: impl FnOnce()) -> (i32, String, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    first_line(&mut stdout);
    meanwhile();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap_or(-1), rest, errors(&output.stderr))
}

/// What is said, but for warnings: whether a checkpoint fails before the end is a matter of time.
fn errors(stderr: &[u8]) -> String {
    text(stderr).split_inclusive('\n').filter(|line| !line.starts_with("warning: ")).collect()
}

/// A training that waits for its reader: it writes more lines than a pipe holds.
const TRAIN: [&str; 7] = ["train", "tiny.graph.json", "--json", "--epochs", "1500", "--out", "run"];
const SAVED: &str = "The run is saved in another folder instead: tiny-saved-1\n";
const FILES: [&str; 7] =
    ["accuracy.svg", "graph.json", "history.csv", "loss.svg", "model.safetensors", "receipt.json", "run.json"];

#[test]
fn weights_survive_a_run_folder_that_vanishes() {
    let folder = graph();
    let (code, stdout, stderr) =
        train_while(folder.command(&TRAIN), || fs::rename(folder.path("run"), folder.path("away")).unwrap());
    assert_eq!((code, stderr), (1, format!("error: run: the run folder is gone\n{SAVED}")));
    assert!(stdout.lines().last().unwrap().starts_with("{\"test_loss\":"), "the result is printed");
    assert_eq!(names(&folder.path("tiny-saved-1")), FILES);
    folder.ok(&["eval", "tiny.graph.json", "--weights", "tiny-saved-1/model.safetensors"]);

    // A file in its place, and another in the place where the run would go next.
    fs::write(folder.path("tiny-saved-2"), "").unwrap();
    let (code, _, stderr) = train_while(folder.command(&TRAIN), || {
        fs::rename(folder.path("run"), folder.path("farther")).unwrap();
        fs::write(folder.path("run"), "mine").unwrap();
    });
    assert_eq!((code, stderr), (1, format!("error: run: the run folder is gone\n{}", SAVED.replace("1\n", "3\n"))));
    assert_eq!(fs::read(folder.path("run")).unwrap(), b"mine");
}

#[test]
fn weights_survive_a_run_folder_that_becomes_read_only() {
    let folder = graph();
    let mut command = folder.command(&TRAIN);
    if rustix::process::geteuid().is_root() {
        // An administrator can write anywhere.
        const NOBODY: u32 = 65534;
        fs::set_permissions(folder.path("."), fs::Permissions::from_mode(0o777)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
        let mut version = folder.command(&["--version"]);
        if version.uid(NOBODY).gid(NOBODY).output().is_err() {
            eprintln!("skipped: nobody else may run {}", env!("CARGO_BIN_EXE_graphc"));
            return;
        }
    }
    let run = folder.path("run");
    let protect = |mode| fs::set_permissions(&run, fs::Permissions::from_mode(mode)).unwrap();
    let (code, _, stderr) = train_while(command, || protect(0o555));
    let message = "run/model.safetensors: cannot write into the folder run: Permission denied (os error 13)";
    assert_eq!((code, stderr), (1, format!("error: {message}\n{SAVED}")));
    protect(0o755);
    assert_eq!(names(&folder.path("tiny-saved-1")), FILES);
}

#[test]
fn weights_survive_a_full_disk() {
    let folder = graph();
    fs::create_dir(folder.path("disk")).unwrap();
    // A disk of one page, in a name space of its own. Where that is not allowed there is nothing to try.
    let script = "mount -t tmpfs -o size=4k tmpfs disk && exec \"$0\" \"$@\"";
    let train = [env!("CARGO_BIN_EXE_graphc"), "train", "wide.graph.json", "--quiet", "--out", "disk/run"];
    let wide = GRAPH.replace("\"units\": 5", "\"units\": 500");
    fs::write(folder.path("wide.graph.json"), wide).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script]).args(train).current_dir(folder.path("."));
    let output = command.output().unwrap();
    let stderr = errors(&output.stderr);
    if !stderr.contains("disk/run") {
        eprintln!("skipped: {stderr}");
        return;
    }
    let full = "disk/run/model.safetensors: cannot write: No space left on device (os error 28)";
    assert!(stderr.starts_with(&format!("error: {full}")), "{stderr}");
    assert!(stderr.ends_with(SAVED) && output.status.code() == Some(1), "{stderr}");
    assert!(text(&output.stdout).ends_with("\nRun folder: tiny-saved-1\n"));
    assert_eq!(names(&folder.path("tiny-saved-1")), FILES);
}

#[test]
fn a_limit_of_file_sizes_leaves_no_torn_file() {
    let folder = with_inputs();
    let wide = GRAPH.replace("\"units\": 5", "\"units\": 500");
    fs::write(folder.path("wide.graph.json"), wide).unwrap();
    let limited = |blocks: usize, args: &str| {
        let mut command = sh(&folder, &format!("ulimit -f {blocks}; exec \"$0\" {args}"));
        // Everywhere else is as full.
        let output = command.env("TMPDIR", folder.path(".")).env("HOME", folder.path(".")).output().unwrap();
        (output.status.code(), text(&output.stdout), errors(&output.stderr))
    };
    let (code, stdout, stderr) = limited(1, "train wide.graph.json --quiet --out run");
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stdout.starts_with("Test loss "), "the result is printed: {stdout}");
    assert!(
        stderr.starts_with("error: the weights are lost: no place takes them\n  run/model.safetensors: "),
        "{stderr}"
    );
    assert_eq!(stderr.matches("cannot write: File too large (os error 27)").count(), 5, "{stderr}");
    assert_eq!(names(&folder.path(".")), ["tiny.graph.json", "wide.graph.json", "x"]);

    fs::write(folder.path("y"), "old").unwrap();
    let (code, _, stderr) = limited(0, "run tiny.graph.json --inputs x --outputs y");
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.ends_with("error: y: cannot write: File too large (os error 27)\n"), "{stderr}");
    assert_eq!(fs::read(folder.path("y")).unwrap(), b"old");

    // Whatever is written in part is whole.
    for blocks in 0..24 {
        let (code, _, stderr) = limited(blocks, "train tiny.graph.json --quiet --out run");
        let run = folder.path("run");
        if run.exists() {
            tiny_run::assert_whole(&run, 2);
            fs::remove_dir_all(run).unwrap();
        }
        assert!(code == Some(1) || (code == Some(0) && blocks > 2), "{blocks}: {code:?} {stderr}");
        assert_no_temporary_file(&folder.path("."));
    }
}

#[test]
fn paths_that_are_no_text() {
    let folder = graph();
    let name = |name: &[u8]| OsStr::from_bytes(name).to_os_string();
    let [file, out, init] = [&b"caf\xe9.graph.json"[..], b"r\xe9sum\xe9", b"r\xe9sum\xe9/model.safetensors"].map(name);
    fs::write(folder.path(".").join(&file), GRAPH).unwrap();
    let run = |args: &[&OsStr]| {
        let output = folder.command(&[]).args(args).output().unwrap();
        assert_ok(&output);
        text(&output.stdout)
    };
    let train: &OsStr = "train".as_ref();
    let stdout = run(&[train, &file, "--out".as_ref(), &out]);
    assert!(stdout.ends_with("\nRun folder: r\u{fffd}sum\u{fffd}\n"), "{stdout}");
    let stdout = run(&[train, &file, "--init".as_ref(), &init]);
    assert!(stdout.ends_with("\nRun folder: runs/tiny-1\n"), "{stdout}");
    let run_json: Value = serde_json::from_slice(&fs::read(folder.path("runs/tiny-1/run.json")).unwrap()).unwrap();
    assert_eq!(
        run_json["config"]["graph"],
        json!({ "lossy": "caf\u{fffd}.graph.json", "hex": "636166e92e67726170682e6a736f6e" })
    );
    assert_eq!(run_json["config"]["init"]["lossy"], "r\u{fffd}sum\u{fffd}/model.safetensors");
    run(&["eval".as_ref(), &file, "--weights".as_ref(), &init]);
    run(&["summary".as_ref(), &file]);
    let cache = folder.path(".").join(name(b"c\xe9"));
    let args = ["tune", "tiny.graph.json", "--seconds", "0.01", "--threads", "1", "--json"];
    let output = folder.command(&args).env("GRAPHC_CACHE_DIR", &cache).output().unwrap();
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(result["stored"][0]["hex"].is_string(), "{result}");
    assert_eq!(fs::read_dir(cache).unwrap().count(), 1);
}

#[test]
fn control_characters_of_a_name_reach_no_terminal() {
    let folder = graph();
    let name = r#""name": "a\u001b[31mb\u009b2J\r""#;
    fs::write(folder.path("tiny.graph.json"), GRAPH.replace(r#""name": "tiny""#, name)).unwrap();
    let is_clean = |text: &str| !text.contains(|c: char| c.is_control() && c != '\n');
    for args in
        [&["train", "--out", "run"][..], &["summary"], &["dump"], &["dump", "--dot"], &["bench", "--seconds", "0.01"]]
    {
        let output = folder.run(&[&args[..1], &["tiny.graph.json"], &args[1..]].concat());
        let both = text(&output.stdout) + &text(&output.stderr);
        assert!(is_clean(&both) && !both.is_empty(), "{args:?}: {both:?}");
    }
}

#[test]
fn numbers_that_no_option_takes() {
    let folder = graph();
    let count = "expected an integer of at least 1";
    let seed = "expected an integer of at least 0";
    let rate = "expected 0, or a number from 1.2e-38 to 3.4e38";
    let seconds = "expected a number above 0 and at most 86400";
    for (command, option, value, expected) in [
        ("train", "--epochs <N>", "-1", count),
        ("train", "--batch-size <N>", "-1", count),
        ("train", "--limit <N>", "-5", count),
        ("train", "--threads <N>", "-1", count),
        ("train", "--seed <SEED>", "-1", seed),
        ("train", "--lr <RATE>", "-1e-3", rate),
        ("train", "--lr <RATE>", "-inf", rate),
        ("train", "--lr <RATE>", "1e39", rate),
        ("train", "--lr <RATE>", "1e-46", rate),
        ("train", "--epochs <N>", "99999999999999999999", "expected an integer of at most 18446744073709551615"),
        ("eval", "--batch-size <N>", "-1", count),
        ("run", "--seed <SEED>", "-1", seed),
        ("dump", "--batch <N>", "-1", count),
        ("check", "--batch <N>", "-1", count),
        ("check", "--entries <N>", "-1", count),
        ("check", "--seed <SEED>", "-1", seed),
        ("bench", "--batch <N>", "-1", count),
        ("bench", "--seconds <S>", "-1", seconds),
        ("profile", "--seconds <S>", "-0.5", seconds),
        ("tune", "--batch <N>", "-1", count),
        ("tune", "--seconds <S>", "-1", seconds),
    ] {
        let name = option.split(' ').next().unwrap();
        let message = folder.fails(2, &[command, "tiny.graph.json", name, value]);
        let expected = format!("error: invalid value '{value}' for '{option}': {expected}\n");
        assert_eq!(message.split_inclusive('\n').next(), Some(&*expected), "{command}");
    }
    assert!(folder.ok(&["train", "tiny.graph.json", "--lr", "0", "--quiet"]).starts_with("Test loss "));
    let weights = read_tensors(&folder.path("runs/tiny-1/model.safetensors")).unwrap();
    assert_eq!(weights.len(), 4);
}
