//! `graphc report`.

use crate::error::CliError;
use crate::report::{Run, page};
use crate::{output, words};
use graphc_train::{check_writable, write_file};
use std::path::PathBuf;
use std::process::ExitCode;

/// Draw runs as one HTML page: results, curves over each other, settings that differ, mistakes.
///
/// The page needs no script, no network and no other file. Confusion matrix and worst samples are computed from the
/// weights of a run and the data that its graph file names; what cannot be computed is left out, and the page says why.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folders of runs.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The file to write.
    #[arg(long, short, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  graphc report runs/lenet5-1
  graphc report runs/* --out all.html";

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    check_writable(&args.out)?;
    let mut runs = args.runs.iter().map(|folder| Run::read(folder)).collect::<Result<Vec<Run>, CliError>>()?;
    Run::name_all(&mut runs);
    write_file(&args.out, page(&runs).as_bytes())?;
    output::line(format!("Report of {}: {}", words::counted(runs.len(), "run"), args.out.display()))?;
    Ok(ExitCode::SUCCESS)
}
