//! `graphc train`.
//!
//! Reading order: `args`, `setup` (what is trained, and where it begins), `work` (data and steps made ready), this file
//! (the run from its first step to its files), `outcome`, `record` (what `run.json` says), `printing`.

mod args;
mod outcome;
mod printing;
mod record;
mod setup;
mod work;

pub(crate) use args::Args;
pub(super) use outcome::{WeightFiles, finish_receipt, test};
pub(super) use setup::folder_of;
pub(super) use work::{Prepared, Work, prepare};

use crate::error::CliError;
use crate::messages;
use crate::nonfinite::{Ending, Look, Rescue};
use crate::progress::{Reporter, Style};
use crate::signals::stop_on_signals;
use graphc::experiment;
use graphc_measure::peak_memory;
use graphc_train::plots::confusion_svg;
use graphc_train::run::CheckpointEvery;
use graphc_train::run_folder::GRAPH;
use graphc_train::{FitReport, RunFolder, Scores, Supervision, Weighted, fit_from, write_file};
use outcome::{Costs, Tested};
use printing::{End, Results, print_results, print_start};
use record::{Facts, Keeper};
use setup::Setup;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// `start` is when the process started.
pub(crate) fn run(args: &Args, start: Instant) -> Result<ExitCode, CliError> {
    let mut setup = Setup::new(args)?;
    let stop = stop_on_signals()?;
    let mut run = prepare(&setup.work(args), args.machine)?;
    setup.options.receipt = Some(run.begin.clone());
    experiment::name_classes(&mut setup.options.scoring, &setup.experiment, run.train.fitted());
    begin_folder(&mut setup, run.has_checkpoints);
    let mut reporter = Reporter::new(args.style(), setup.options.epochs, stop.flag());
    reporter.set_rescue(Rescue::new(setup.folder.weights_path(), &setup.experiment.graph));
    if reporter.style() == Style::Human {
        print_start(&mut reporter, &setup, &run);
    }
    let facts = Facts::new(&setup, &run);
    let from = setup.from.take();
    let is_fresh = from.is_none();
    let writer = setup.folder.checkpoint_writer(setup.settings.json(), setup.settings.keep_checkpoints.0);
    let mut keeper = Keeper::new(&mut reporter, &facts, writer);
    let class_weights = experiment::class_weights(&setup.experiment);
    let mut network = Weighted::new(&mut run.session, class_weights.as_ref());
    let supervision = Supervision { stop: stop.flag(), observer: &mut keeper };
    let result = fit_from(&mut network, &run.train, &setup.options, from, supervision);
    let kept = keeper.finish();
    let (mut report, mut ending) = Ending::of(result)?;
    reporter.clear();

    let mut problems = Vec::new();
    let is_over = report.stopped.is_none() && !ending.is_failure();
    let tested = test(&mut network, run.test.as_ref(), &setup.options, is_over).unwrap_or_else(|error| {
        problems.push(error);
        None
    });
    if let (Some(Tested { evaluation: test, .. }), Some(data)) = (&tested, &run.test) {
        let rescue = Rescue::new(setup.folder.weights_path(), &setup.experiment.graph);
        let look = Look { is_allowed: setup.options.allow_nonfinite, stop: stop.flag(), rescue: &rescue };
        problems.extend(ending.look_at_test(&mut network, data, test, &look).err());
    }
    let first_step_ms = reporter.first_step().map(|at| at.duration_since(start).as_secs_f64() * 1e3);
    let costs = Costs { first_step_ms, peak_rss_mb: peak_memory().map(|bytes| bytes as f64 / 1e6) };
    let is_stopped = report.stopped.is_some() && !ending.is_failure();
    let weights = if !is_stopped || kept.is_err() { Some(WeightFiles::new(&mut run, &report)?) } else { None };
    if let (Some(weights), false) = (&weights, ending.is_failure()) {
        finish_receipt(&mut report, tested.as_ref(), weights);
    }
    // Before anything is written: a disk that is full must not cost the results, nor a closed pipe the weights.
    let results = Results { report: &report, tested: tested.as_ref(), costs, ending: &ending };
    print_results(&mut reporter, &setup, &run, &results);
    let end = End { stop: &stop, reporter: &reporter, report: &report, kept: &kept };
    if is_fresh && report.stopped.is_some_and(|at| (at.epoch, at.step) == (1, 0)) {
        setup.folder.discard();
        messages::message("Stopped before the first step: there is nothing to save.");
        return Ok(end.exit_code(&[]));
    }
    let n_epochs = setup.options.epochs;
    let folder = write_run(setup, weights, &results, &facts, &mut problems)?;
    if reporter.style() != Style::Json {
        reporter.line(format!("Run folder: {}", folder.path().display()));
    }
    let end = End { stop: &stop, reporter: &reporter, report: &report, kept: &kept };
    Ok(end.conclude(&folder, n_epochs, &problems))
}

/// Makes the run folder; without it, or without memory for them, there are no checkpoints.
fn begin_folder(setup: &mut Setup, has_memory: bool) {
    let begun = setup.folder.begin(&setup.graph).map_err(|error| error.to_string());
    let room = if has_memory { Ok(()) } else { Err("there is not enough memory for checkpoints".to_string()) };
    if let Err(error) = begun.and(room) {
        messages::warning(&format!("{error}; training goes on without checkpoints"));
        setup.options.checkpoints = CheckpointEvery::Never;
    }
}

/// Writes what the run leaves, wherever that can be; what could not be written is added to the problems.
fn write_run(
    setup: Setup,
    weights: Option<WeightFiles>,
    results: &Results<'_>,
    facts: &Facts,
    problems: &mut Vec<CliError>,
) -> Result<RunFolder, CliError> {
    let Setup { experiment, options, mut folder, graph, .. } = setup;
    let Results { report, tested, costs, ending } = *results;
    if let Some(WeightFiles { model, last }) = weights {
        let (saved, misplaced) = folder.save_weights(&model, &experiment.name, &other_places())?;
        folder = saved;
        if misplaced.is_some() {
            // Its receipt can be verified there.
            problems.extend(write_file(&folder.path().join(GRAPH), &graph).map_err(CliError::from).err());
        }
        problems.extend(misplaced.map(|error| {
            let path = folder.path().display();
            CliError::new(format!("{error}\nThe run is saved in another folder instead: {path}"))
        }));
        problems.extend(last.and_then(|last| folder.write_last(&last).map_err(CliError::from).err()));
    }
    if let Some(receipt) = &report.receipt {
        problems.extend(folder.write_receipt(receipt).map_err(CliError::from).err());
    }
    let info = facts.at_end(report, tested, costs, ending);
    problems.extend(folder.write_record(&info, &report.history).map_err(CliError::from).err());
    problems.extend(write_confusion(&folder, &experiment.name, report, tested).err());
    problems.extend(ending.write(folder.path()).err());
    problems.extend(ending.result(&folder.weights_path(), options.learning_rate).err());
    Ok(folder)
}

/// Writes `confusion.svg`, of the test samples or else of the last validation, if a metric counts classes.
fn write_confusion(
    folder: &RunFolder,
    name: &str,
    report: &FitReport,
    tested: Option<&Tested>,
) -> Result<(), CliError> {
    let of = |scores: Option<&Scores>, what| Some((scores?.classes.clone()?, what));
    let tested = of(tested.and_then(|tested| tested.scores.as_ref()), "test samples");
    let Some((classes, what)) = tested.or_else(|| of(report.validation.as_ref(), "validation samples")) else {
        return Ok(());
    };
    let Some(svg) = confusion_svg(name, what, &classes) else { return Ok(()) };
    Ok(write_file(&folder.path().join("confusion.svg"), svg.as_bytes())?)
}

/// Where weights go that the run folder does not take. The last is memory, which any disk may be full beside.
fn other_places() -> Vec<PathBuf> {
    let memory = cfg!(target_os = "linux").then(|| PathBuf::from("/dev/shm"));
    [Some(PathBuf::new()), Some(std::env::temp_dir()), std::env::home_dir(), memory].into_iter().flatten().collect()
}
