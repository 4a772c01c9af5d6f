//! Trainings that end early: by signals, kills, readers and terminals that go away, and another training in the same
//! folder.
#![cfg(unix)]

use crate::common::folder::{Folder, text};
use crate::common::tiny_run::{GRAPH, assert_whole, graph, sh};
use crate::common::watching::{assert_no_temporary_file, first_line, names};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A training without end.
fn endless<'a>(file: &'a str, out: &'a str) -> [&'a str; 7] {
    ["train", file, "--json", "--epochs", "1000000", "--out", out]
}

/// Starts it, and waits until it trains.
fn started(mut command: Command) -> Child {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    first_line(child.stdout.as_mut().unwrap());
    child
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn sigterm_and_sighup_end_as_sigint_does() {
    let folder = graph();
    for (signal, name, code) in
        [(Signal::INT, "SIGINT", 130), (Signal::TERM, "SIGTERM", 143), (Signal::HUP, "SIGHUP", 129)]
    {
        let child = started(folder.command(&endless("tiny.graph.json", name)));
        send(&child, signal);
        let output = child.wait_with_output().unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.starts_with("Stopped in epoch "), "{stderr}");
        assert!(stderr.contains(&format!(" of 3, by {name}; all is saved. To go on:\n")), "{stderr}");
        assert!(text(&output.stdout).lines().last().unwrap().starts_with("{\"test_loss\":null,"));
        folder.ok(&["train", "--resume", name, "--epochs", &n_epochs_of(&folder, name), "--quiet"]);
        folder.ok(&["eval", "tiny.graph.json", "--weights", &format!("{name}/model.safetensors")]);
    }
}

/// One more than a run has finished.
fn n_epochs_of(folder: &Folder, run: &str) -> String {
    let json = fs::read(folder.path(run).join("run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_slice(&json).unwrap();
    (run["results"]["epochs_finished"].as_u64().unwrap() + 1).to_string()
}

#[test]
fn signals_that_are_sent_twice_or_ignored() {
    let folder = graph();
    for signal in [Signal::TERM, Signal::HUP] {
        let out = format!("{signal:?}");
        let child = started(folder.command(&endless("tiny.graph.json", &out)));
        for _ in 0..3 {
            send(&child, signal);
        }
        child.wait_with_output().unwrap();
        assert!(folder.path(&out).join("run.json").exists());
    }
    // As `nohup` starts it.
    let child =
        started(sh(&folder, "trap '' HUP; exec \"$0\" train tiny.graph.json --json --epochs 1000000 --out nohup"));
    send(&child, Signal::HUP);
    std::thread::sleep(Duration::from_millis(50));
    send(&child, Signal::TERM);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143), "not 129");
}

#[test]
fn the_hint_is_a_command_that_goes_on() {
    let folder = graph();
    let file = "it's a $net.graph.json";
    fs::write(folder.path(file), GRAPH).unwrap();
    let options = ["--lr", "0.02", "--batch-size=8", "--seed", "9"];
    let child = started(folder.command(&[&endless(file, "my run")[..], &options].concat()));
    send(&child, Signal::TERM);
    let output = child.wait_with_output().unwrap();
    let stderr = text(&output.stderr);
    let command = stderr.lines().last().unwrap().trim();
    assert_eq!(command, format!("{} train --resume 'my run'", env!("CARGO_BIN_EXE_graphc")));
    let n_epochs = n_epochs_of(&folder, "my run");
    let output = sh(&folder, &format!("{command} --epochs {n_epochs}")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let run: serde_json::Value = serde_json::from_slice(&fs::read(folder.path("my run/run.json")).unwrap()).unwrap();
    assert_eq!((&run["config"]["batch_size"], &run["config"]["learning_rate"]), (&8.into(), &0.02.into()));
}

#[test]
fn one_training_at_a_time_in_a_folder() {
    let folder = graph();
    fs::write(folder.path("images"), "these are none").unwrap();
    let data = r#"{ "format": "idx", "train": { "image": "images", "label": "images" } }"#;
    let broken = format!("{}{data} }}\n", &GRAPH[..GRAPH.find("{ \"format\"").unwrap()]);
    fs::write(folder.path("broken.graph.json"), broken).unwrap();
    assert!(folder.fails(1, &["train", "broken.graph.json", "--out", "run"]).contains("not an IDX file"));

    let mut child = started(folder.command(&endless("tiny.graph.json", "run")));
    for file in ["tiny.graph.json", "broken.graph.json"] {
        let message = "error: run: another training is going on in this run folder; give another one\n";
        assert_eq!(folder.fails(1, &["train", file, "--out", "run"]), message, "before data is read");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What was killed leaves the folder to the next.
    fs::write(folder.path("run/.graphc-left.tmp"), "half").unwrap();
    let message = "error: run: the run folder holds a run: `--resume` goes on with it, or give another one\n";
    assert_eq!(folder.fails(1, &["train", "tiny.graph.json", "--out", "run"]), message);
    let resumed = started(folder.command(&["train", "--resume", "run", "--json"]));
    let message = "error: run: this training is going on already\n";
    assert_eq!(folder.fails(1, &["train", "--resume", "run"]), message);
    send(&resumed, Signal::TERM);
    assert_eq!(resumed.wait_with_output().unwrap().status.code(), Some(143));
    folder.ok(&["train", "--resume", "run", "--quiet", "--epochs", &n_epochs_of(&folder, "run")]);
    assert_eq!(names(&folder.path("run")).len(), 8);
    let message = "error: run: the run folder holds a run: `--resume` goes on with it, or give another one\n";
    assert_eq!(folder.fails(1, &["train", "tiny.graph.json", "--out", "run"]), message);
    fs::remove_dir_all(folder.path("run/checkpoint")).unwrap();
    let message = "error: run: the run folder holds the weights of a run; give another one\n";
    assert_eq!(folder.fails(1, &["train", "tiny.graph.json", "--out", "run"]), message);

    // Started at the same time, one of them trains.
    let start = |_| {
        let mut command = folder.command(&["train", "tiny.graph.json", "--quiet", "--epochs", "200", "--out", "both"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let children: Vec<Child> = (0..3).map(start).collect();
    let ended: Vec<Option<i32>> = children.into_iter().map(|mut child| child.wait().unwrap().code()).collect();
    assert_eq!(ended.iter().filter(|&&code| code == Some(0)).count(), 1, "{ended:?}");
    assert_whole(&folder.path("both"), 200);
}

/// Ends with what happened to a training whose reader is gone.
fn closed(folder: &Folder, args: &[&str], n_lines: usize) -> (ExitStatus, String) {
    let mut child = folder.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    (0..n_lines).for_each(|_| drop(first_line(&mut stdout)));
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    (output.status, text(&output.stderr))
}

#[test]
fn a_reader_that_goes_away_costs_no_weights() {
    let folder = graph();
    let (status, stderr) = closed(&folder, &endless("tiny.graph.json", "head"), 1);
    assert_eq!(status.code(), Some(141), "{stderr}");
    let reason = " of 3, nobody reads the output (the pipe is closed); all is saved. To go on:\n  ";
    assert!(stderr.starts_with("Stopped in epoch ") && stderr.contains(reason), "{stderr}");
    folder.ok(&["train", "--resume", "head", "--epochs", &n_epochs_of(&folder, "head"), "--quiet"]);

    // One line that nobody reads: the training is over.
    let (status, stderr) = closed(&folder, &["train", "tiny.graph.json", "--quiet", "--out", "quiet"], 0);
    let expected = "error: nobody reads the output (the pipe is closed); the run is saved: quiet\n";
    assert_eq!((status.code(), stderr.as_str()), (Some(141), expected));
    assert_eq!(names(&folder.path("quiet")).len(), 8);

    // Nobody there from the start.
    let (status, stderr) = closed(&folder, &["train", "tiny.graph.json", "--out", "never"], 0);
    assert_eq!(
        (status.code(), stderr.as_str()),
        (Some(141), "Stopped before the first step: there is nothing to save.\n")
    );
    assert!(!folder.path("never").exists());
}

#[test]
fn an_output_that_fails_otherwise_does_not_stop_a_training() {
    let folder = graph();
    for (out, style) in [("json", "--json"), ("quiet", "--quiet")] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = folder.command(&["train", "tiny.graph.json", style, "--out", out]);
        let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
        let expected = "warning: cannot write the output: No space left on device (os error 28)\n";
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(1), expected));
        assert_eq!(names(&folder.path(out)).len(), 8);
    }
}

#[test]
fn a_terminal_that_goes_away_costs_no_weights() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let folder = graph();
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    // Not to become the terminal of the tests.
    let flags = rustix::fs::OFlags::NOCTTY.bits().cast_signed();
    let terminal = || fs::File::options().read(true).write(true).custom_flags(flags).open(&name).unwrap();
    let mut command = folder.command(&["train", "tiny.graph.json", "--epochs", "300", "--out", "run"]);
    let mut child = command.stdin(terminal()).stdout(terminal()).stderr(terminal()).spawn().unwrap();
    drop(command);
    let mut master = fs::File::from(master);
    master.read_exact(&mut [0; 64]).unwrap();
    drop(master);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    assert_whole(&folder.path("run"), 300);
    assert_eq!(names(&folder.path("run")).len(), 8);
}

#[test]
fn messages_that_nobody_reads_end_no_command_otherwise() {
    let folder = graph();
    fs::write(folder.path("bad.graph.json"), GRAPH.replace("softmax", "sotfmax")).unwrap();
    let closed = |args: &[&str]| {
        let mut child = folder.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stderr.take());
        child.wait().unwrap().code()
    };
    for (args, code) in [
        (&["train", "missing.graph.json"][..], 1),
        (&["summary", "bad.graph.json"], 1),
        (&["eval", "tiny.graph.json", "--weights", "missing"], 1),
        (&["trian"], 2),
        (&["train", "tiny.graph.json", "--epochs", "-1"], 2),
        (&["train", "tiny.graph.json", "--epochs", "1", "--out", "run"], 0),
    ] {
        assert_eq!(closed(args), Some(code), "{args:?}");
    }
    let mut child = started(folder.command(&endless("tiny.graph.json", "stopped")));
    drop(child.stderr.take());
    send(&child, Signal::TERM);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
    assert!(folder.path("stopped/run.json").exists());
}

#[test]
fn results_that_nobody_reads_end_no_command_otherwise() {
    let folder = graph();
    folder.ok(&["train", "tiny.graph.json", "--quiet", "--out", "run"]);
    let weights = ["--weights", "run/model.safetensors"];
    let measure = ["--seconds", "0.01", "--threads", "1"];
    let commands = [
        vec!["summary", "tiny.graph.json"],
        vec!["dump", "tiny.graph.json", "--stage", "asm"],
        [&["eval", "tiny.graph.json"], &weights[..]].concat(),
        [&["predict", "tiny.graph.json", "0"], &weights[..]].concat(),
        [&["bench", "tiny.graph.json"], &measure[..]].concat(),
        [&["profile", "tiny.graph.json", "--trace", "trace"], &measure[..]].concat(),
        [&["tune", "tiny.graph.json"], &measure[..]].concat(),
        vec!["check", "tiny.graph.json"],
        vec!["schema"],
        vec!["completions", "bash"],
    ];
    for args in &commands {
        let (status, stderr) = closed(&folder, args, 0);
        assert_eq!((status.code(), stderr.as_str()), (Some(0), ""), "{args:?}");
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = folder.command(args).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let expected = "error: cannot write the output: No space left on device (os error 28)\n";
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(1), expected), "{args:?}");
    }
    assert!(folder.path("trace").exists() && names(&folder.path("cache")).len() == 1);
}

/// Files of a folder with their bytes.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = names(folder).into_iter().filter(|name| folder.join(name).is_file());
    files.map(|name| (name.clone(), fs::read(folder.join(name)).unwrap())).collect()
}

/// Between 0 and `below`: another part of it for every `n`, evenly spread.
fn part(below: Duration, n: usize) -> Duration {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    below.mul_f64((n as f64 * GOLDEN).fract())
}

/// Waits until the training has begun to write; `false` if it ended before that was seen.
fn writes(run: &Path, child: &mut Child) -> bool {
    loop {
        if fs::read_dir(run).is_ok_and(|mut entries| entries.next().is_some()) {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
    }
}

/// `GRAPHC_KILLS=200` looks longer still.
#[test]
fn killed_at_any_moment_nothing_earlier_is_harmed_and_the_next_start_is_clean() {
    let n_kills = graphc_testing::counts::count("GRAPHC_KILLS", 6, 20) as usize;
    let folder = graph();
    const N_EPOCHS: usize = 20;
    let args = ["train", "tiny.graph.json", "--quiet", "--epochs", "20", "--out", "run"];
    let begin = || folder.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    folder.ok(&["train", "tiny.graph.json", "--quiet", "--out", "earlier"]);
    let earlier = contents(&folder.path("earlier"));
    let run = folder.path("run");
    let start = Instant::now();
    assert!(begin().wait().unwrap().success());
    let (whole, writing) = (start.elapsed(), Duration::from_millis(4));
    fs::remove_dir_all(&run).unwrap();

    let (mut n_without, mut n_part, mut n_whole) = (0, 0, 0);
    for n in 0..n_kills {
        let mut child = begin();
        // Half of the kills come while files are written, which is a small part of the time.
        if n % 2 == 0 {
            std::thread::sleep(part(whole, n));
        } else if writes(&run, &mut child) {
            std::thread::sleep(part(writing, n));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(contents(&folder.path("earlier")), earlier, "kill {n}");
        if run.exists() {
            assert_whole(&run, N_EPOCHS);
        }
        match run.join("model.safetensors").exists() {
            true if run.join("accuracy.svg").exists() => n_whole += 1,
            true => n_part += 1,
            false => n_without += 1,
        }
        let checkpoints = fs::read_dir(run.join("checkpoint")).into_iter().flatten().flatten();
        if checkpoints.into_iter().any(|entry| entry.path().extension().is_some_and(|ext| ext == "json")) {
            let message = "error: run: the run folder holds a run: `--resume` goes on with it, or give another one\n";
            assert_eq!(folder.fails(1, &args), message);
            folder.ok(&["train", "--resume", "run", "--quiet"]);
        } else {
            folder.ok(&args);
        }
        folder.ok(&["eval", "tiny.graph.json", "--weights", "run/model.safetensors"]);
        assert_eq!(names(&run).len(), 8, "kill {n}: {:?}", names(&run));
        fs::remove_dir_all(&run).unwrap();
    }
    eprintln!("{n_kills} kills: {n_without} before the weights, {n_part} between files, {n_whole} after them");
    assert_no_temporary_file(&folder.path("earlier"));
}
