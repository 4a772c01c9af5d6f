//! What `graphc train` says before and after the epochs.

use super::super::eval::result_line;
use super::outcome::{Costs, Tested};
use super::record::course_text;
use super::setup::Setup;
use super::work::Prepared;
use crate::error::CliError;
use crate::nonfinite::Ending;
use crate::progress::{Reporter, Style};
use crate::signals::Stop;
use crate::{messages, scores, shell, signals, tables, words};
use graphc_train::run::Receipt;
use graphc_train::run::receipt::short;
use graphc_train::{FitReport, RunFolder, TrainError};
use serde_json::json;
use std::process::ExitCode;

/// What a training came to.
pub(super) struct Results<'a> {
    pub(super) report: &'a FitReport,
    pub(super) tested: Option<&'a Tested>,
    pub(super) costs: Costs,
    pub(super) ending: &'a Ending,
}

/// The network, and how it is trained.
pub(super) fn print_start(reporter: &mut Reporter<'_>, setup: &Setup, run: &Prepared) {
    let Setup { experiment, options, from, .. } = setup;
    let graph = &experiment.graph;
    let summary = graphc_frontend::summary(graph);
    let n_frozen = graphc_frontend::n_elements(graph, &experiment.frozen);
    reporter.line(tables::summary(&experiment.name, &summary, graphc_frontend::totals(graph), n_frozen));
    let tuned = if run.n_tuned > 0 { format!(" ({} tuned)", run.n_tuned) } else { String::new() };
    reporter.line(format!(
        "\nCompiled {} executables{tuned} in {:.0} ms for {}\n{} training samples, batch size {}, {}, seed {}\n",
        run.n_executables,
        run.compile_ms,
        run.target,
        words::grouped(run.train.len()),
        options.batch_size,
        words::counted(run.session.threads(), "thread"),
        options.seed,
    ));
    let Some(state) = from.as_ref().map(|from| &from.state) else { return };
    let n_done = state.history.records.len();
    reporter.line(match state.ended {
        Some(_) if options.epochs <= state.epochs => {
            format!("This run is finished, after {}; more `--epochs` go on with it\n", words::counted(n_done, "epoch"))
        }
        _ => format!("Going on in epoch {} after step {} of {}\n", state.epoch, state.step, state.n_steps),
    });
}

/// Results and course of a run.
pub(super) fn print_results(reporter: &mut Reporter<'_>, setup: &Setup, run: &Prepared, results: &Results<'_>) {
    let Results { report, tested, costs, ending } = *results;
    let test = tested.map(|tested| tested.evaluation);
    let scores = tested.and_then(|tested| tested.scores.as_ref());
    let style = reporter.style();
    if style == Style::Json {
        let mut end = json!({
            "test_loss": test.map(|test| test.loss),
            "test_accuracy": test.and_then(|test| test.accuracy),
            "parameters": run.n_parameters,
            "compile_ms": run.compile_ms,
            "step_ms_median": report.step_ms_median(),
            "first_step_ms": costs.first_step_ms,
            "peak_rss_mb": costs.peak_rss_mb,
            "receipt": report.receipt.as_ref().map(Receipt::chain),
            "run": shell::path_json(setup.folder.path()),
        });
        scores.iter().for_each(|scores| scores::add_json(&mut end, scores));
        if let Some(nonfinite) = ending.json() {
            end["nonfinite"] = nonfinite;
        }
        return reporter.line(end.to_string());
    }
    if let Some(test) = test {
        reporter.line(result_line(&test) + &scores.map_or_else(String::new, scores::lines));
    }
    if let Some(receipt) = report.receipt.as_ref().filter(|receipt| receipt.end.is_some() && style == Style::Human) {
        reporter.line(format!("Receipt {}", short(receipt.chain())));
    }
    if let Some(text) = course_text(report, &setup.options).filter(|_| style == Style::Human) {
        reporter.line(text);
    }
    if style == Style::Human && !report.history.records.is_empty() {
        reporter.line(format!("\n{}", tables::describe(&report.history.describe())));
    }
    if let Some(step_ms) = report.step_ms_median().filter(|_| style == Style::Human) {
        reporter.line(format!("\nMedian step: {step_ms:.3} ms"));
    }
}

/// How a run has ended.
pub(super) struct End<'a, 'b> {
    pub(super) stop: &'a Stop,
    pub(super) reporter: &'a Reporter<'b>,
    pub(super) report: &'a FitReport,
    /// Whether checkpoints were written.
    pub(super) kept: &'a Result<(), TrainError>,
}

impl End<'_, '_> {
    /// Tells the problems and the end, and gives the exit code.
    pub(super) fn conclude(&self, folder: &RunFolder, n_epochs: usize, problems: &[CliError]) -> ExitCode {
        problems.iter().for_each(CliError::print);
        self.print(folder, n_epochs);
        self.exit_code(problems)
    }

    /// Says why the training stopped before its `n_epochs`, and how to go on; or why nobody saw its end.
    fn print(&self, folder: &RunFolder, n_epochs: usize) {
        const CLOSED: &str = "nobody reads the output (the pipe is closed)";
        let End { stop, reporter, report, kept } = self;
        if let Some(at) = report.stopped {
            let reason = stop.signal().map_or_else(|| CLOSED.into(), |signal| format!("by {}", signals::name(signal)));
            let (saved, command) = match kept {
                Ok(()) => ("all is saved. To go on", shell::resuming(std::env::args_os(), folder.path())),
                Err(_) => {
                    let n_left = n_epochs - report.history.records.len();
                    let command = shell::resumed(std::env::args_os(), &folder.weights_path(), n_left);
                    ("the weights are saved. To go on from them", command)
                }
            };
            messages::message(&words::printable(&format!(
                "Stopped in epoch {} after step {} of {}, {reason}; {saved}:\n  {command}",
                at.epoch, at.step, at.n_steps
            )));
        } else if matches!(reporter.error(), Some(CliError::ClosedPipe)) {
            let path = folder.path().display();
            CliError::new(format!("{CLOSED}; the run is saved: {path}")).print();
        }
        if let (None, Err(error)) = (report.stopped, kept) {
            messages::warning(&format!("{error}; the last checkpoint is missing"));
        }
    }

    pub(super) fn exit_code(&self, problems: &[CliError]) -> ExitCode {
        // A signal that came after the last step has stopped nothing.
        match (self.stop.signal().filter(|_| self.report.stopped.is_some()), self.reporter.error()) {
            (Some(signal), _) => ExitCode::from(signals::exit_code(signal)),
            (None, Some(CliError::ClosedPipe)) => ExitCode::from(signals::CLOSED_PIPE),
            (None, None) if problems.is_empty() => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }
}
