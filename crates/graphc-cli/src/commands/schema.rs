//! `graphc schema`.

use crate::error::CliError;
use crate::output;
use std::process::ExitCode;

/// Print the JSON Schema of graph files.
///
/// An editor that is given the schema completes and checks graph files while they are written: save it, and name it in
/// the file's "$schema" field.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  graphc schema > graphc.schema.json")]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> Result<ExitCode, CliError> {
    output::line(format!("{:#}", graphc_frontend::schema()))?;
    Ok(ExitCode::SUCCESS)
}
