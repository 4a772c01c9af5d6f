//! `graphc completions`.

use crate::error::CliError;
use crate::output;
use clap_complete::Shell;
use std::process::ExitCode;

/// Print the completion script of a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  graphc completions bash > ~/.local/share/bash-completion/completions/graphc")]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

/// Of that command line.
pub(crate) fn run(args: &Args, mut command: clap::Command) -> Result<ExitCode, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "graphc", &mut script);
    output::text(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
