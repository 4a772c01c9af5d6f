//! `graphc verify`.

mod claims;
mod failure;
mod replay;
mod tensors;

use super::train::{Prepared, WeightFiles, Work, finish_receipt, prepare, test};
use crate::error::CliError;
use crate::machine::MachineArgs;
use crate::progress::Style;
use crate::{output, words};
use claims::Claims;
use failure::{Failure, differs};
use graphc::experiment;
use graphc::experiment::Chosen;
use graphc_train::FitReport;
use graphc_train::run::receipt::{Difference, InForce, first_field, short};
use graphc_train::run::{Begin, CheckpointEvery, Receipt};
use graphc_train::run_folder::{LAST, WEIGHTS};
use replay::{Replay, Replayed};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

/// Train a run again and compare everything with what it has left.
///
/// The receipt in the run folder has the hashes of the graph file, of the data and of every tensor after every epoch.
/// This command computes them anew, on any number of threads and any instruction set, and compares them, the kept
/// checkpoints, the weights and the results. It writes nothing. The first difference ends it with the exit code 1.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The run folder.
    run: PathBuf,
    /// These epochs alone (`3..4`, `3..`, `..4`, `3`), from the checkpoint before the first of them.
    #[arg(long, value_name = "A..B")]
    epochs: Option<Stretch>,
    /// The folder from which the data's paths in the graph file start [default: where the graph file was].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The weights that the run started from, if it did and they have moved.
    #[arg(long, value_name = "WEIGHTS")]
    init: Option<PathBuf>,
    /// For scripts: one JSON object a line, for every epoch and at the end.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    machine: MachineArgs,
}

const EXAMPLES: &str = "\
Examples:
  graphc verify runs/lenet5-1
  graphc verify runs/lenet5-1 --epochs 30 --threads 1 --isa portable
  graphc verify lenet5-from-somebody --data graphc/examples";

/// Epochs from the first to the last, if they are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch(Option<usize>, Option<usize>);

impl FromStr for Stretch {
    type Err = String;

    fn from_str(text: &str) -> Result<Stretch, String> {
        const EXPECTED: &str = "expected epochs such as 3..4, 3.. or 3, from 1 on";
        let number = |text: &str| match text {
            "" => Ok(None),
            _ => text.parse().ok().filter(|&n| n > 0).map(Some).ok_or(EXPECTED),
        };
        let stretch = match text.split_once("..") {
            Some((first, last)) => Stretch(number(first)?, number(last)?),
            None => Stretch(number(text)?, number(text)?),
        };
        match stretch {
            Stretch(None, None) => Err(EXPECTED.into()),
            Stretch(Some(first), Some(last)) if last < first => Err(EXPECTED.into()),
            _ => Ok(stretch),
        }
    }
}

impl Stretch {
    /// First and last of the epochs that a run of `n_epochs` has.
    fn within(self, n_epochs: usize) -> Result<(usize, usize), CliError> {
        let Stretch(first, last) = self;
        let (first, last) = (first.unwrap_or(1), last.unwrap_or(n_epochs));
        if n_epochs == 0 {
            return Err(CliError::new("the receipt has no finished epoch that could be trained again"));
        }
        match first <= last && last <= n_epochs {
            true => Ok((first, last)),
            false => Err(CliError::new(format!("`--epochs {first}..{last}`: the run has epochs 1 to {n_epochs}"))),
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    match verify(args) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Failure::Error(error)) => Err(error),
        Err(Failure::Difference(Difference { epoch, tensor, message })) => {
            if args.json {
                let line = json!({ "verified": false, "epoch": epoch, "tensor": tensor, "message": message });
                output::line(line.to_string())?;
            }
            Err(CliError::new(format!("not verified: {message}")))
        }
    }
}

fn verify(args: &Args) -> Result<(), Failure> {
    let claims = Claims::read(&args.run)?;
    claims.compare()?;
    let receipt = &claims.receipt;
    let n_epochs = receipt.epochs.len().saturating_sub(1);
    let stretch = args.epochs.unwrap_or(Stretch(None, None)).within(n_epochs)?;
    let start = claims.checkpoint_before(stretch.0)?;
    let Some((_, first)) = receipt.options().next() else {
        return Err(CliError::new(format!("{}: the receipt has no epochs", args.run.display())).into());
    };
    let experiment = claims.experiment(args.data.as_deref())?;
    let begin = &receipt.begin.entry;
    let mut options = experiment::fit_options(&experiment, chosen(begin, first), args.machine.threads.loading())?;
    options.receipt = Some(begin.clone());
    let init = if start.is_some() { None } else { claims.init(args.init.as_deref())? };
    let data_folder = claims.data_folder(args.data.as_deref())?;
    let work = Work {
        experiment: &experiment,
        graph: &claims.graph,
        data_folder: &data_folder,
        options: &options,
        limit: begin.limit,
        init: init.as_deref(),
        begun: Some(begin),
    };
    let mut run = prepare(&work, args.machine)?;
    experiment::name_classes(&mut options.scoring, &experiment, run.train.fitted());
    let style = if args.json { Style::Json } else { Style::Human };
    if style == Style::Human {
        let (first, last) = stretch;
        let threads = words::counted(run.session.threads(), "thread");
        output::line(format!("Training epochs {first} to {last} of `{}` again, on {threads}", experiment.name))?;
    }
    let replay = Replay { claims: &claims, experiment: &experiment, options: &options, style, stretch };
    let Replayed { mut report, checkpoints } = replay.train(&mut run, start)?;
    let mut files = Vec::new();
    if stretch.1 == n_epochs && receipt.end.is_some() {
        files = compare_end(&claims, &mut run, &mut report, &experiment, &options)?;
    }
    say_verified(args, receipt, &Verified { stretch, n_checkpoints: checkpoints.len(), files })
}

/// The options that a run began with.
fn chosen(begin: &Begin, first: &InForce) -> Chosen {
    Chosen {
        epochs: first.epochs,
        batch_size: begin.batch_size,
        learning_rate: first.learning_rate,
        seed: begin.seed,
        // What is not finite is compared like any other number.
        allow_nonfinite: true,
        checkpoints: CheckpointEvery::Never,
    }
}

/// What was found to be the same.
struct Verified {
    /// First and last epoch.
    stretch: (usize, usize),
    n_checkpoints: usize,
    /// Names of the files of weights.
    files: Vec<&'static str>,
}

fn say_verified(args: &Args, receipt: &Receipt, verified: &Verified) -> Result<(), Failure> {
    let Verified { stretch: (first, last), n_checkpoints, files } = verified;
    let (first, last, n_checkpoints) = (*first, *last, *n_checkpoints);
    let n_epochs = receipt.epochs.len().saturating_sub(1);
    let n_tensors = receipt.epochs.last().map_or(0, |last| last.entry.tensors.len());
    if args.json {
        let line = json!({
            "verified": true,
            "first_epoch": first,
            "last_epoch": last,
            "epochs": n_epochs,
            "tensors": n_tensors,
            "checkpoints": n_checkpoints,
            "files": files,
            "receipt": receipt.chain(),
        });
        return Ok(output::line(line.to_string())?);
    }
    let epochs = match (first, last) == (1, n_epochs) {
        true => words::counted(n_epochs, "epoch"),
        false => format!("epochs {first} to {last} of {n_epochs}"),
    };
    let mut what = vec![epochs, words::counted(n_tensors, "tensor")];
    what.extend((n_checkpoints > 0).then(|| words::counted(n_checkpoints, "checkpoint")));
    what.extend(files.iter().map(ToString::to_string));
    if receipt.end.is_none() {
        output::line("The run has not come to its end, so weights and results are not compared")?;
    }
    output::line(format!("Verified: {}", what.join(", ")))?;
    Ok(output::line(format!("Receipt {}", short(receipt.chain())))?)
}

/// Files of weights, results of the test, and the receipt's end; gives the names of the files.
fn compare_end(
    claims: &Claims,
    run: &mut Prepared,
    report: &mut FitReport,
    experiment: &graphc_frontend::Experiment,
    options: &graphc_train::FitOptions,
) -> Result<Vec<&'static str>, Failure> {
    let weights = WeightFiles::new(run, report)?;
    let mut files = Vec::new();
    for (name, bytes) in [(WEIGHTS, Some(&weights.model)), (LAST, weights.last.as_ref())] {
        if let Some(bytes) = bytes {
            tensors::compare_file(&claims.run.join(name), bytes)?;
            files.push(name);
        }
    }
    let class_weights = experiment::class_weights(experiment);
    let mut network = graphc_train::Weighted::new(&mut run.session, class_weights.as_ref());
    let tested = test(&mut network, run.test.as_ref(), options, true)?;
    finish_receipt(report, tested.as_ref(), &weights);
    let found = json!(report.receipt.as_ref().and_then(|receipt| receipt.end.as_ref()));
    let expected = json!(claims.receipt.end);
    match first_field(&expected, &found) {
        None => Ok(files),
        Some((field, then, now)) => {
            Err(differs(format!("`{field}` of the end is {now} trained again, {then} in the receipt")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches() {
        for (text, expected) in [
            ("3..4", Stretch(Some(3), Some(4))),
            ("3..", Stretch(Some(3), None)),
            ("..4", Stretch(None, Some(4))),
            ("3", Stretch(Some(3), Some(3))),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", "..", "0", "0..3", "4..3", "a", "1...3", "-1"] {
            assert_eq!(
                text.parse::<Stretch>(),
                Err("expected epochs such as 3..4, 3.. or 3, from 1 on".into()),
                "{text}"
            );
        }
        assert_eq!(Stretch(Some(3), None).within(5).ok(), Some((3, 5)));
        assert!(Stretch(Some(3), Some(6)).within(5).is_err() && Stretch(Some(6), None).within(5).is_err());
    }
}
