//! Everything that must hold before a change is shared.

use crate::step::{Failure, cargo};
use std::time::Instant;

/// What the short training run must reach: one epoch over all training images (a fifth of them held out for
/// validation). Seeds 1, 2 and 3 end between 0.974 and 0.984; fewer steps would say little, since the moving
/// statistics that inference uses take hundreds of steps to settle.
const LEAST_ACCURACY: f64 = 0.94;

/// Runs every check in turn and stops at the first that fails.
pub(crate) fn run() -> Result<(), Failure> {
    timed("format", || cargo(&["fmt", "--all", "--check"]).run())?;
    timed("lints", || cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).run())?;
    timed("docs", || cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-Dwarnings").run())?;
    timed("tests", || cargo(&["test", "--workspace", "--no-fail-fast"]).run())?;
    timed("training", train)?;
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
    let command = ["run", "--release", "-p", "graphc", "--", "train", "examples/lenet5.graph.json"];
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
