//! Everything that must hold before a change is shared.

use crate::step::{Failure, cargo};
use std::path::Path;
use std::time::Instant;

/// What the short training run must reach: one epoch over all training images (a fifth of them held out for
/// validation). Seeds 1, 2 and 3 end between 0.974 and 0.984; fewer steps would say little, since the moving
/// statistics that inference uses take hundreds of steps to settle.
const LEAST_ACCURACY: f64 = 0.94;

/// Runs every check in turn and stops at the first that fails. Random tests have their long counts if it is to be
/// `long`.
pub(crate) fn run(long: bool) -> Result<(), Failure> {
    timed("format", || cargo(&["fmt", "--all", "--check"]).run())?;
    timed("lints", || cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).run())?;
    timed("docs", || cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-Dwarnings").run())?;
    timed("tests", || {
        cargo(&["test", "--workspace", "--no-fail-fast"]).env("GRAPHC_LONG", if long { "1" } else { "0" }).run()
    })?;
    timed("training", train)?;
    timed("figures of the README", readme_figures)?;
    println!("xtask: everything holds");
    Ok(())
}

fn timed(name: &str, check: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let start = Instant::now();
    check()?;
    println!("xtask: {name} holds ({:.0} s)", start.elapsed().as_secs_f64());
    Ok(())
}

/// Trains LeNet-5 for a short while with the release build, as the README tells newcomers to, and
/// reads the accuracy on the test images from what the run reports.
fn train() -> Result<(), Failure> {
    let folder = tempfile::tempdir().map_err(|error| Failure(format!("temporary folder: {error}")))?;
    let out = folder.path().to_string_lossy();
    let command = ["run", "--release", "-p", "graphc-cli", "--", "train", "examples/lenet5.graph.json"];
    let options = ["--epochs", "1", "--json", "--out", &out];
    let report = cargo(&[&command[..], &options].concat()).stdout()?;
    print!("{report}");
    let last = report.lines().last().unwrap_or_default();
    let fields: serde_json::Value =
        serde_json::from_str(last).map_err(|error| Failure(format!("last line of the report, `{last}`: {error}")))?;
    let accuracy = fields["test_accuracy"].as_f64();
    let accuracy =
        accuracy.ok_or_else(|| Failure(format!("no `test_accuracy` in the report's last line, `{last}`")))?;
    if accuracy < LEAST_ACCURACY {
        return Err(Failure(format!("test accuracy is {accuracy}, expected at least {LEAST_ACCURACY}")));
    }
    Ok(())
}

/// The README says what a short training prints: losses, accuracies and the receipt must be these, on any machine.
/// Seconds are anyone's. Then the run is verified as another machine would do it.
fn readme_figures() -> Result<(), Failure> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(path).map_err(|error| Failure(format!("README.md: {error}")))?;
    let said = figures(&readme);
    let epochs = said.iter().filter(|line| line.starts_with("epoch")).count();
    if epochs == 0 || said.len() != epochs + 2 {
        return Err(Failure(format!("README.md shows no training: {said:?}")));
    }
    let folder = tempfile::tempdir().map_err(|error| Failure(format!("temporary folder: {error}")))?;
    let out = folder.path().to_string_lossy();
    let command = ["run", "--release", "-p", "graphc-cli", "--", "train", "examples/lenet5.graph.json"];
    let epochs = epochs.to_string();
    let printed = cargo(&[&command[..], &["--epochs", &epochs, "--out", &out]].concat()).stdout()?;
    let found = figures(&printed);
    if found == said {
        let verify =
            ["run", "--release", "-p", "graphc-cli", "--", "verify", &out, "--threads", "1", "--isa", "portable"];
        return cargo(&verify).run();
    }
    Err(Failure(format!("README.md says\n{}\nbut the command prints\n{}", said.join("\n"), found.join("\n"))))
}

/// The lines of epochs, of the test and of the receipt, in single spaces and without seconds.
fn figures(text: &str) -> Vec<String> {
    let is_figure = |line: &&str| {
        let is_epoch =
            line.starts_with("epoch ") && line.split_whitespace().nth(1).is_some_and(|word| word.contains('/'));
        is_epoch || line.starts_with("Test loss ") || line.starts_with("Receipt ")
    };
    let without_seconds = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_time = |at: usize| words.get(at) == Some(&"s") || words.get(at + 1) == Some(&"s");
        let kept = words.iter().enumerate().filter(|&(at, _)| !is_time(at));
        kept.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
    };
    text.lines().filter(is_figure).map(without_seconds).collect()
}
