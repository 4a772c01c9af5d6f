//! `graphc summary`.

use crate::error::CliError;
use crate::{experiment, output, tables};
use std::path::PathBuf;
use std::process::ExitCode;

/// Show the layers, shapes and parameters of a network.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  graphc summary examples/lenet5.graph.json")]
pub(crate) struct Args {
    /// The graph file.
    file: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let experiment = experiment::load(&args.file)?;
    let graph = &experiment.graph;
    let rows = graphc_frontend::summary(graph);
    output::line(tables::summary(&experiment.name, &rows, graphc_frontend::totals(graph)))?;
    Ok(ExitCode::SUCCESS)
}
