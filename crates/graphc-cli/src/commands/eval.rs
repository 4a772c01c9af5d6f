//! `graphc eval`.

use crate::error::CliError;
use crate::nonfinite::{AllowNonfiniteArg, warn_of_weights};
use crate::numbers::at_least_one;
use crate::sizes::SizeArgs;
use crate::threads::{ThreadsArg, warn_if_fewer};
use crate::tuned::TuningArg;
use crate::{messages, output, scores, words};
use graphc::experiment;
use graphc_driver::{Session, SessionOptions};
use graphc_train::weights::read_fitted;
use graphc_train::{Evaluation, Portion, Scores, Weighted, evaluate_scored};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measure loss, accuracy and other metrics of given weights on the test data.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  graphc eval examples/lenet5.graph.json --weights runs/lenet5-1/model.safetensors")]
pub(crate) struct Args {
    /// The graph file.
    file: PathBuf,
    #[command(flatten)]
    sizes: SizeArgs,
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
    let experiment = args.sizes.load_with_data(&args.file)?;
    let (threads, tuning) = (args.threads.threads, args.tuning.tuning());
    let options = SessionOptions { threads, tuning, ..SessionOptions::default() };
    let mut session = Session::new(experiment.graph.clone(), options)?;
    warn_if_fewer(threads, session.threads());
    session.reserve_memory("the data", experiment::test_bytes(&experiment))?;
    experiment::load_weights(&mut session, &args.weights)?;
    warn_of_weights(&mut session, &args.weights)?;
    let Some(test) = experiment::test_data(&experiment, session.threads())? else {
        return Err(CliError::new(format!("{}: `data` says no test samples to evaluate on", args.file.display())));
    };
    test.warnings().iter().for_each(|warning| messages::warning(warning));
    let test = test.apply(&read_fitted(&args.weights)?)?;
    let batch_size = args.batch_size.unwrap_or(experiment.train.batch_size);
    let class_weights = experiment::class_weights(&experiment);
    let mut network = Weighted::new(&mut session, class_weights.as_ref());
    let mut scoring = experiment::scoring(&experiment)?;
    experiment::name_classes(&mut scoring, &experiment, test.fitted());
    let portion = Portion { dataset: &test, samples: &test.split().train, batch_size };
    let (result, scores) = evaluate_scored(&mut network, portion, args.threads.loading(), scoring.as_ref())?;
    output::line(match args.json {
        true => {
            let mut all =
                json!({ "test_loss": result.loss, "test_accuracy": result.accuracy, "samples": result.n_samples });
            scores.iter().for_each(|scores| scores::add_json(&mut all, scores));
            all.to_string()
        }
        false => result_text(&result, scores.as_ref()),
    })?;
    if result.loss.is_finite() {
        return Ok(ExitCode::SUCCESS);
    }
    args.nonfinite.tell(&format!("the test loss is {}, no finite number", result.loss))
}

/// `Test loss 0.0301, accuracy 0.9912 (10,000 samples)`.
pub(super) fn result_line(result: &Evaluation) -> String {
    let accuracy = result.accuracy.map_or_else(String::new, |accuracy| format!(", accuracy {accuracy:.4}"));
    format!("Test loss {:.4}{accuracy} ({} samples)", result.loss, words::grouped(result.n_samples))
}

/// The line, the metrics, and what there is to say of the classes.
fn result_text(result: &Evaluation, scores: Option<&Scores>) -> String {
    let mut text = result_line(result);
    if let Some(scores) = scores {
        text.push_str(&scores::lines(scores));
        if let Some(classes) = &scores.classes {
            text.push_str(&format!("\n{}\n\n{}", scores::class_table(classes), scores::confusion_text(classes)));
        }
    }
    text
}
