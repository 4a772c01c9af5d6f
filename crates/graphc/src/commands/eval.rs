//! `graphc eval`.

use crate::error::CliError;
use crate::nonfinite::{AllowNonfiniteArg, warn_of_weights};
use crate::numbers::at_least_one;
use crate::threads::{ThreadsArg, warn_if_fewer};
use crate::tuned::TuningArg;
use crate::{experiment, output};
use graphc_driver::{Session, SessionOptions};
use graphc_train::{Evaluation, Weighted, evaluate};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measure loss and accuracy of given weights on the test data.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  graphc eval examples/lenet5.graph.json --weights runs/lenet5-1/model.safetensors")]
pub(crate) struct Args {
    /// The graph file.
    file: PathBuf,
    /// The weights, as training wrote them.
    #[arg(long, short, value_name = "WEIGHTS")]
    weights: PathBuf,
    /// Samples evaluated at once [default: as in the graph file].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    batch_size: Option<usize>,
    #[command(flatten)]
    nonfinite: AllowNonfiniteArg,
    #[command(flatten)]
    threads: ThreadsArg,
    #[command(flatten)]
    tuning: TuningArg,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let experiment = experiment::load_with_data(&args.file)?;
    let (threads, tuning) = (args.threads.threads, args.tuning.tuning());
    let options = SessionOptions { threads, tuning, ..SessionOptions::default() };
    let mut session = Session::new(experiment.graph.clone(), options)?;
    warn_if_fewer(threads, session.threads());
    session.reserve_memory("the data", experiment::test_bytes(&experiment))?;
    experiment::load_weights(&mut session, &args.weights)?;
    warn_of_weights(&mut session, &args.weights)?;
    let Some(test) = experiment::test_data(&experiment)? else {
        return Err(CliError::new(format!("{}: `data` says no test samples to evaluate on", args.file.display())));
    };
    let batch_size = args.batch_size.unwrap_or(experiment.train.batch_size);
    let class_weights = experiment::class_weights(&experiment);
    let mut network = Weighted::new(&mut session, class_weights.as_ref());
    let result = evaluate(&mut network, &test, 0..test.len(), batch_size, args.threads.loading())?;
    output::line(match args.json {
        true => json!({ "test_loss": result.loss, "test_accuracy": result.accuracy, "samples": result.n_samples })
            .to_string(),
        false => result_line(&result),
    })?;
    if result.loss.is_finite() {
        return Ok(ExitCode::SUCCESS);
    }
    args.nonfinite.tell(&format!("the test loss is {}, no finite number", result.loss))
}

/// `Test loss 0.0301, accuracy 0.9912 (10,000 samples)`.
pub(super) fn result_line(result: &Evaluation) -> String {
    let accuracy = result.accuracy.map_or_else(String::new, |accuracy| format!(", accuracy {accuracy:.4}"));
    format!("Test loss {:.4}{accuracy} ({} samples)", result.loss, output::grouped(result.n_samples))
}
