//! Chores of the project: `cargo xtask ci | bless | docs | tidy`.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a command-line program says what it does")]

mod ci;
mod step;

use crate::step::{Failure, cargo};
use clap::{Parser, Subcommand};
use std::path::Path;
use std::process::ExitCode;
use xtask::house;

/// Chores of the graphc project.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Everything that must hold before a change is shared: format, lints, tests, docs, one real training run
    Ci {
        /// Random tests repeat themselves some five times as often
        #[arg(long)]
        long: bool,
    },
    /// Write the expected part of every golden test anew (review the difference as code)
    Bless {
        /// Passed on to `cargo test`, for example a package: `-p graphc-passes`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Write the generated documents anew (docs/ops.md, docs/guide/ops.md, the JSON schema) and build the API docs
    Docs,
    /// Print the figures of the house: long files, functions and lines, documentation, circles of imports
    Tidy,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().chore {
        Chore::Ci { long } => ci::run(long),
        Chore::Bless { arguments } => bless(&arguments),
        Chore::Docs => docs(),
        Chore::Tidy => tidy(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn bless(arguments: &[String]) -> Result<(), Failure> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let scope: &[&str] = if arguments.is_empty() { &["--workspace"] } else { &arguments };
    cargo(&[&["test", "--no-fail-fast"], scope].concat()).env("GRAPHC_BLESS", "1").run()
}

/// What `tests/tidy/house.rs` compares with what is allowed.
fn tidy() -> Result<(), Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace");
    print!("{}", house::table(&house::figures(root)));
    Ok(())
}

fn docs() -> Result<(), Failure> {
    let generated = ["test", "-p", "graphc-ir", "-p", "graphc-frontend"];
    cargo(&generated).env("GRAPHC_BLESS", "1").run()?;
    cargo(&["doc", "--workspace", "--no-deps"]).run()
}
