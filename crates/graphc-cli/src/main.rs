//! The command line. One file per subcommand; everything that computes is in the libraries; what a graph file
//! says is read by `graphc::experiment`.
//!
//! Results go to stdout, progress and warnings to stderr. An error is one message on stderr and exit code 1; a wrong
//! command line exits with 2. A reader that closes our output ends a command silently, but for a training, whose folder
//! is written first; then the exit code is 141, as of a program that SIGPIPE ended, and 128 + S after a signal S.
//!
//! Reading order: `cli`, `commands` (one file each), then what they share: `answer`, `engine`, `graph_text`, `isa`,
//! `machine`, `measuring`, `nonfinite`, `numbers`, `words`, `terminal`, `messages`, `error`, `output`, `progress`,
//! `report` (its page), `scores`, `shell`, `signals`, `tables`, `threads`, `trace`, `tuned`, `tuning_file`.
#![forbid(unsafe_code)]

mod answer;
mod cli;
mod commands;
mod engine;
mod error;
mod graph_file;
mod graph_text;
mod isa;
mod machine;
mod measuring;
mod messages;
mod nonfinite;
mod numbers;
mod output;
mod progress;
mod report;
mod scores;
mod shell;
mod signals;
mod sizes;
mod tables;
mod terminal;
mod threads;
mod trace;
mod tuned;
mod tuning_file;
mod words;

use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let start = Instant::now();
    signals::outlive_size_limit();
    match cli::parse().command.run(start) {
        Ok(code) => code,
        Err(error) => error.report(),
    }
}
