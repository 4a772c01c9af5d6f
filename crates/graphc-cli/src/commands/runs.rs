//! `graphc runs`.

use crate::error::CliError;
use crate::report::read_record;
use crate::{messages, output, shell, tables, terminal};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// List runs with their settings and results.
///
/// Reads the `run.json` of every folder of DIR, or of DIR itself if it is a run.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder of run folders.
    #[arg(default_value = "runs")]
    dir: PathBuf,
    /// For scripts: one JSON object a line, `run.json` with the field `run` for the folder.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  graphc runs
  graphc runs experiments --json | jq .results.test_accuracy";

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let runs = runs(&args.dir)?;
    if args.json {
        for (path, run) in runs {
            let mut line = serde_json::json!({ "run": shell::path_json(&path) });
            let fields = run.as_object().into_iter().flatten();
            fields.for_each(|(name, value)| line[name.as_str()] = value.clone());
            output::line(line.to_string())?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if runs.is_empty() {
        output::line(format!("No runs in {}", args.dir.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = runs.iter().map(|(path, run)| row(path, run)).collect();
    output::line(tables::fitting(&HEADER, 2, &rows, &OPTIONAL, terminal::width_of_stdout()))?;
    Ok(ExitCode::SUCCESS)
}

/// Folders with what their `run.json` says, in order of their names, numbers as numbers. What cannot be read is warned
/// of.
fn runs(dir: &Path) -> Result<Vec<(PathBuf, Value)>, CliError> {
    let error = |error: std::io::Error| CliError::new(format!("{}: cannot read the folder: {error}", dir.display()));
    let mut folders = Vec::new();
    for entry in fs::read_dir(dir).map_err(error)? {
        folders.push(entry.map_err(error)?.path());
    }
    folders.push(dir.to_path_buf());
    folders.sort_by_cached_key(|path| natural(&path.to_string_lossy()));
    let mut runs = Vec::new();
    for folder in folders {
        match read_record(&folder) {
            Ok(Some(run)) => runs.push((folder, run)),
            // Another folder, or a file.
            Ok(None) => {}
            Err(error) => messages::warning(&error.brief()),
        }
    }
    Ok(runs)
}

/// Text and numbers of a name, so that `net-10` comes behind `net-9`.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts: Vec<(String, u64)> = vec![(String::new(), 0)];
    let mut in_number = false;
    for c in name.chars() {
        match c.to_digit(10) {
            Some(digit) => {
                let (_, number) = parts.last_mut().expect("there is one at least");
                *number = number.saturating_mul(10).saturating_add(digit.into());
                in_number = true;
            }
            None => {
                if std::mem::replace(&mut in_number, false) {
                    parts.push((String::new(), 0));
                }
                parts.last_mut().expect("there is one at least").0.push(c);
            }
        }
    }
    parts
}

const HEADER: [&str; 10] =
    ["run", "status", "epochs", "batch", "lr", "schedule", "seed", "best epoch", "test loss", "test acc"];

/// What is left out first where there is no room for all.
const OPTIONAL: [&str; 5] = ["batch", "seed", "schedule", "lr", "best epoch"];

fn row(path: &Path, run: &Value) -> Vec<String> {
    let (config, results) = (&run["config"], &run["results"]);
    let plain = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let rounded = |value: &Value| value.as_f64().map_or_else(String::new, |value| format!("{value:.4}"));
    let best = match results["best_value"].as_f64() {
        Some(value) => format!("{} ({value:.4})", plain(&results["best_epoch"])),
        None => String::new(),
    };
    let status = match results["ended"].as_str() {
        Some("early_stopping") => "stopped early".into(),
        _ => plain(&results["status"]),
    };
    vec![
        path.display().to_string(),
        status,
        format!("{}/{}", plain(&results["epochs_finished"]), plain(&config["epochs"])),
        plain(&config["batch_size"]),
        plain(&config["learning_rate"]),
        plain(&config["schedule"]),
        plain(&run["seed"]),
        best,
        rounded(&results["test_loss"]),
        rounded(&results["test_accuracy"]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_names_are_numbers() {
        let mut names = ["net-10", "net-9", "net", "a-2-x", "a-2", "net-99999999999999999999999"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["a-2", "a-2-x", "net", "net-9", "net-10", "net-99999999999999999999999"]);
    }
}
