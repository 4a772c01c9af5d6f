//! The command line. One file per subcommand; everything that computes is in the libraries.
//!
//! Results go to stdout, progress and warnings to stderr. An error is one message on stderr and exit code 1; a wrong
//! command line exits with 2.
//!
//! Reading order: `cli`, `commands` (one file each), then what they share: `experiment`, `engine`, `isa`, `measuring`, `nonfinite`, `error`, `output`, `progress`,
//! `tables`, `threads`, `trace`, `tuned`.
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod engine;
mod error;
mod experiment;
mod isa;
mod measuring;
mod nonfinite;
mod output;
mod progress;
mod tables;
mod threads;
mod trace;
mod tuned;

use clap::Parser;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let start = Instant::now();
    match cli::Cli::parse().command.run(start) {
        Ok(code) => code,
        Err(error) => error.report(),
    }
}
