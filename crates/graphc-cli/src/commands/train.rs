//! `graphc train`.

mod record;
mod setup;

use crate::error::CliError;
use crate::machine::MachineArgs;
use crate::nonfinite::{self, Ending, Rescue};
use crate::numbers::{at_least_one, rate, seed};
use crate::progress::{Reporter, Style};
use crate::signals::{Stop, stop_on_signals};
use crate::threads::warn_if_fewer;
use crate::{messages, scores, shell, signals, tables, words};
use graphc::experiment;
use graphc_driver::Session;
use graphc_driver::memory::{parameter_bytes, state_bytes};
use graphc_frontend::Experiment;
use graphc_measure::peak_memory;
use graphc_train::data::Split;
use graphc_train::plots::confusion_svg;
use graphc_train::run::receipt::{TestScores, short};
use graphc_train::run::{Begin, CheckpointEvery, FileHash, Receipt};
use graphc_train::run_folder::{GRAPH, LAST, WEIGHTS};
use graphc_train::train::{Counts, batch_sizes};
use graphc_train::weights::encode_weights;
use graphc_train::{
    Dataset, Evaluation, FitOptions, FitReport, Network, RunFolder, Scores, TrainError, Weighted, evaluate_scored,
    fit_from, write_file,
};
use record::{Facts, Keeper, course_text};
use serde_json::json;
pub(super) use setup::folder_of;
use setup::{Every, Kept, Setup};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

/// Train a network and write weights, history and curves to a run folder.
///
/// The graph file says what to train, on what and for how long; the options override it. Ctrl-C finishes the current
/// step and writes a checkpoint; a second Ctrl-C stops at once. SIGTERM and SIGHUP do as the first Ctrl-C does.
/// `--resume` goes on with a run from its last checkpoint, whatever has ended it, and comes to the same weights as if
/// nothing had.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The graph file; a run that goes on has a copy.
    #[arg(required_unless_present = "resume")]
    file: Option<PathBuf>,
    /// Passes over the training data.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    epochs: Option<usize>,
    /// Samples a step; a smaller last batch is trained on too.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    batch_size: Option<usize>,
    /// Learning rate of the optimizer.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    lr: Option<f64>,
    /// Seed of the initial weights and of the shuffling.
    #[arg(long, value_parser = seed)]
    seed: Option<u64>,
    /// Use the first N training samples only (the last part of them validates).
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    limit: Option<usize>,
    /// Run folder to make, or one without a run [default: runs/NAME-1, -2, ...].
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    out: Option<PathBuf>,
    /// Start from these weights.
    #[arg(long, value_name = "WEIGHTS", conflicts_with = "resume")]
    init: Option<PathBuf>,
    /// Go on with the run in this folder, with its options unless others are given; a finished one with more
    /// `--epochs`.
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    /// Write a checkpoint every so many steps (500), epochs (1e) or minutes (2m, also s and h), or only when
    /// interrupted (none) [default: every epoch, but not twice within a second].
    #[arg(long, value_name = "N")]
    checkpoint_every: Option<Every>,
    /// How many of the last checkpoints stay in the run folder, or all; `graphc verify --epochs` starts from them
    /// [default: 2].
    #[arg(long, value_name = "N")]
    keep_checkpoints: Option<Kept>,
    /// Say only where the run folder is and how good the network became.
    #[arg(long)]
    quiet: bool,
    /// For scripts: one JSON object a line, for every epoch and at the end.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    machine: MachineArgs,
    /// Train on when a loss or a weight is NaN or infinite, and only warn.
    #[arg(long)]
    allow_nonfinite: bool,
}

const EXAMPLES: &str = "\
Examples:
  graphc train examples/lenet5.graph.json
  graphc train examples/mlp.graph.json --epochs 2 --limit 5000 --seed 7
  graphc train examples/lenet5.graph.json --init runs/lenet5-1/model.safetensors --lr 0.0001
  graphc train --resume runs/lenet5-1
  graphc train --resume runs/lenet5-1 --epochs 50
  graphc train examples/mlp.graph.json --json | jq .val_accuracy";

/// `start` is when the process started.
pub(crate) fn run(args: &Args, start: Instant) -> Result<ExitCode, CliError> {
    let mut setup = Setup::new(args)?;
    let stop = stop_on_signals()?;
    let style = match (args.json, args.quiet) {
        (true, _) => Style::Json,
        (false, true) => Style::Quiet,
        (false, false) => Style::Human,
    };
    let mut run = prepare(&setup.work(args), args.machine)?;
    setup.options.receipt = Some(run.begin.clone());
    experiment::name_classes(&mut setup.options.scoring, &setup.experiment, run.train.fitted());
    let begun = setup.folder.begin(&setup.graph).map_err(|error| error.to_string());
    let room = if run.has_checkpoints { Ok(()) } else { Err("there is not enough memory for checkpoints".to_string()) };
    if let Err(error) = begun.and(room) {
        messages::warning(&format!("{error}; training goes on without checkpoints"));
        setup.options.checkpoints = CheckpointEvery::Never;
    }
    let mut reporter = Reporter::new(style, setup.options.epochs, stop.flag());
    reporter.set_rescue(Rescue::new(setup.folder.weights_path(), &setup.experiment.graph));
    if style == Style::Human {
        print_start(&mut reporter, &setup, &run);
    }
    let facts = Facts::new(&setup, &run);
    let from = setup.from.take();
    let is_fresh = from.is_none();
    let writer = setup.folder.checkpoint_writer(setup.settings.json(), setup.settings.keep_checkpoints.0);
    let mut keeper = Keeper::new(&mut reporter, &facts, writer);
    let class_weights = experiment::class_weights(&setup.experiment);
    let mut network = Weighted::new(&mut run.session, class_weights.as_ref());
    let result = fit_from(&mut network, &run.train, &setup.options, from, stop.flag(), &mut keeper);
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
        let is_allowed = setup.options.allow_nonfinite;
        let looked = ending.look_at_test(&mut network, data, test, is_allowed, stop.flag(), &rescue);
        problems.extend(looked.err());
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
    if is_fresh && report.stopped.is_some_and(|at| (at.epoch, at.step) == (1, 0)) {
        setup.folder.discard();
        messages::message("Stopped before the first step: there is nothing to save.");
        return Ok(exit_code(&stop, &reporter, &report, &[]));
    }
    let Setup { experiment, options, mut folder, graph, .. } = setup;
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
    let info = facts.at_end(&report, tested.as_ref(), costs, &ending);
    problems.extend(folder.write_record(&info, &report.history).map_err(CliError::from).err());
    problems.extend(write_confusion(&folder, &experiment.name, &report, tested.as_ref()).err());
    problems.extend(ending.write(folder.path()).err());
    problems.extend(ending.result(&folder.weights_path(), options.learning_rate).err());
    if style != Style::Json {
        reporter.line(format!("Run folder: {}", folder.path().display()));
    }
    problems.iter().for_each(CliError::print);
    print_end(&stop, &reporter, &report, &options, &folder, &kept);
    Ok(exit_code(&stop, &reporter, &report, &problems))
}

/// Files of weights that a run ends with.
pub(super) struct WeightFiles {
    /// `model.safetensors`.
    pub(super) model: Vec<u8>,
    /// `last.safetensors`, if it is another.
    pub(super) last: Option<Vec<u8>>,
}

impl WeightFiles {
    /// After a training.
    pub(super) fn new(run: &mut Prepared, report: &FitReport) -> Result<WeightFiles, CliError> {
        let fitted = run.train.fitted();
        let model = encode_weights(&experiment::weights(&mut run.session)?, fitted)?;
        let last = report.last.clone().map(|last| encode_weights(&experiment::named(last), fitted));
        Ok(WeightFiles { model, last: last.transpose()? })
    }
}

/// Ends the receipt of a run that is over.
pub(super) fn finish_receipt(report: &mut FitReport, tested: Option<&Tested>, weights: &WeightFiles) {
    let (Some(receipt), Some(ended)) = (&mut report.receipt, report.ended) else { return };
    let test = tested.map(|Tested { evaluation, scores }| TestScores {
        loss: evaluation.loss,
        accuracy: evaluation.accuracy,
        metrics: scores.as_ref().map(|scores| scores.values.clone()).unwrap_or_default(),
    });
    let files = [(WEIGHTS, Some(&weights.model)), (LAST, weights.last.as_ref())];
    let files = files.into_iter().filter_map(|(name, bytes)| Some((name.to_string(), FileHash::of_bytes(bytes?))));
    receipt.finish(ended, report.best, test, files.collect());
}

/// What the test samples say of the network.
pub(super) struct Tested {
    evaluation: Evaluation,
    /// Metrics beside accuracy, if there are any.
    scores: Option<Scores>,
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

/// Loss, accuracy and other metrics of the test samples, if there are any and the training came to its end.
pub(super) fn test(
    network: &mut dyn Network,
    test: Option<&Dataset>,
    options: &FitOptions,
    is_over: bool,
) -> Result<Option<Tested>, CliError> {
    let scoring = options.scoring.as_ref();
    match test {
        Some(test) if is_over => {
            let (samples, loading) = (&test.split().train, options.loading);
            let (evaluation, scores) = evaluate_scored(network, test, samples, options.batch_size, loading, scoring)?;
            Ok(Some(Tested { evaluation, scores }))
        }
        _ => Ok(None),
    }
}

/// Where weights go that the run folder does not take. The last is memory, which any disk may be full beside.
fn other_places() -> Vec<PathBuf> {
    let memory = cfg!(target_os = "linux").then(|| PathBuf::from("/dev/shm"));
    [Some(PathBuf::new()), Some(std::env::temp_dir()), std::env::home_dir(), memory].into_iter().flatten().collect()
}

/// What the run took beside its steps.
#[derive(Clone, Copy)]
struct Costs {
    /// From the start of the process to the end of its first step.
    first_step_ms: Option<f64>,
    peak_rss_mb: Option<f64>,
}

/// What a training came to.
struct Results<'a> {
    report: &'a FitReport,
    tested: Option<&'a Tested>,
    costs: Costs,
    ending: &'a Ending,
}

/// What is to be trained, and on what.
pub(super) struct Work<'a> {
    pub(super) experiment: &'a Experiment,
    /// Bytes of the graph file.
    pub(super) graph: &'a [u8],
    /// Where the paths of its data files start.
    pub(super) data_folder: &'a Path,
    pub(super) options: &'a FitOptions,
    pub(super) limit: Option<usize>,
    /// Weights to start from.
    pub(super) init: Option<&'a Path>,
    /// What it was made of when it began, if it has begun: it must be the same.
    pub(super) begun: Option<&'a Begin>,
}

/// A compiled network with its data.
pub(super) struct Prepared {
    pub(super) session: Session,
    pub(super) train: Dataset,
    pub(super) test: Option<Dataset>,
    /// Hashes of what it is made of.
    pub(super) begin: Begin,
    n_executables: usize,
    /// Executables with choices of `graphc tune`.
    n_tuned: usize,
    compile_ms: f64,
    /// What the code was made for.
    pub(super) target: String,
    n_parameters: usize,
    /// Whether there is memory for them.
    has_checkpoints: bool,
}

impl Work<'_> {
    /// Reads every file that there is, for its hash.
    fn begin(&self) -> Result<Begin, TrainError> {
        let Work { experiment, graph, data_folder, options, limit, init, begun } = *self;
        let mut begin = experiment::begin(experiment, graph, data_folder, options, limit, init)?;
        if init.is_none() {
            begin.init = begun.and_then(|begun| begun.init.clone());
        }
        Ok(begin)
    }
}

/// Reads the data on other threads while this one compiles.
pub(super) fn prepare(work: &Work<'_>, machine: MachineArgs) -> Result<Prepared, CliError> {
    let Work { experiment, options, limit, .. } = *work;
    let (seed, threads) = (options.seed, machine.threads.threads);
    let mut session = Session::new(experiment.graph.clone(), machine.session(seed))?;
    warn_if_fewer(threads, session.threads());
    // How many samples there will be stands at the head of the files. If that cannot be read, the readers say why.
    let announced = experiment::announced_samples(experiment, limit);
    let Counts { train: n_train, validation: n_validation, test: n_test } = announced.unwrap_or_default();
    let n_samples = n_train.saturating_add(n_validation).saturating_add(n_test);
    session.reserve_memory("the data", experiment::data_bytes(experiment, n_samples))?;
    thread::scope(|scope| {
        // Without further threads the data is read here, afterwards.
        let read_train = || experiment::training_data(experiment, limit, seed, threads);
        // Whoever reads them hashes files, too: each thread may take 64 MiB of addresses, which a limit can make
        // scarce.
        let read_test = || (experiment::test_data(experiment, threads), work.begin());
        let train = thread::Builder::new().spawn_scoped(scope, read_train).ok();
        let test = thread::Builder::new().spawn_scoped(scope, read_test).ok();
        if let Some(path) = work.init {
            experiment::load_weights(&mut session, path)?;
            nonfinite::check_weights(&session, path, options.allow_nonfinite)?;
        }
        if let Some(counts) = announced {
            for (mode, batch) in batch_sizes(counts, options.batch_size) {
                session.compile(mode, batch)?;
            }
        }
        let state_bytes = state_bytes(&experiment.graph);
        // What a checkpoint has is copied for the thread that writes it, twice more, and put into the form of a file.
        let has_checkpoints = session.reserve_memory("checkpoints", state_bytes.saturating_mul(4)).is_ok();
        // At the end weights are copied and put into the form of a file.
        session.reserve_memory("writing the weights", parameter_bytes(&experiment.graph).saturating_mul(2))?;
        let panicked = |what: &str| CliError::new(format!("reading the {what} data panicked"));
        let test = test.map_or_else(|| Ok(read_test()), |data| data.join().map_err(|_| panicked("test")));
        let (test, begin) = test?;
        // What has changed is the reason for anything else that is wrong with it.
        if let (Some(begun), Ok(begin)) = (work.begun, &begin)
            && let Some(change) = begun.changed(begin)
        {
            return Err(CliError::new(change));
        }
        let train = train.map_or_else(|| Ok(read_train()), |data| data.join().map_err(|_| panicked("training")))??;
        let test = test?;
        let warnings = train.warnings().iter().chain(test.iter().flat_map(|test| test.warnings()));
        warnings.for_each(|warning| messages::warning(warning));
        options.check(train.split())?;
        let Split { train: trained, validation } = train.split();
        let begin = begin?;
        let test = test.map(|test| test.apply(train.fitted())).transpose()?;
        let n_test = test.as_ref().map_or(0, Dataset::len);
        let counts = Counts { train: trained.len(), validation: validation.len(), test: n_test };
        let sizes = batch_sizes(counts, options.batch_size);
        let (mut compile_ms, mut n_tuned, mut target) = (0.0, 0, String::new());
        for &(mode, batch) in &sizes {
            let times = session.compile(mode, batch)?;
            compile_ms += times.total.as_secs_f64() * 1e3;
            n_tuned += usize::from(times.is_tuned);
            target.clone_from(&times.target);
        }
        let totals = graphc_frontend::totals(&experiment.graph);
        let n_parameters = totals.trainable + totals.fixed;
        let n_executables = sizes.len();
        Ok(Prepared {
            session,
            train,
            test,
            begin,
            n_executables,
            n_tuned,
            compile_ms,
            target,
            n_parameters,
            has_checkpoints,
        })
    })
}

fn print_start(reporter: &mut Reporter<'_>, setup: &Setup, run: &Prepared) {
    let Setup { experiment, options, from, .. } = setup;
    let graph = &experiment.graph;
    let summary = graphc_frontend::summary(graph);
    reporter.line(tables::summary(&experiment.name, &summary, graphc_frontend::totals(graph)));
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

fn print_results(reporter: &mut Reporter<'_>, setup: &Setup, run: &Prepared, results: &Results<'_>) {
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
        reporter.line(super::eval::result_line(&test) + &scores.map_or_else(String::new, scores::lines));
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

/// Why the training stopped early, and how to go on; or why nobody saw its end.
fn print_end(
    stop: &Stop,
    reporter: &Reporter<'_>,
    report: &FitReport,
    options: &FitOptions,
    folder: &RunFolder,
    kept: &Result<(), TrainError>,
) {
    const CLOSED: &str = "nobody reads the output (the pipe is closed)";
    if let Some(at) = report.stopped {
        let reason = stop.signal().map_or_else(|| CLOSED.into(), |signal| format!("by {}", signals::name(signal)));
        let (saved, command) = match kept {
            Ok(()) => ("all is saved. To go on", shell::resuming(std::env::args_os(), folder.path())),
            Err(_) => {
                let n_left = options.epochs - report.history.records.len();
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

fn exit_code(stop: &Stop, reporter: &Reporter<'_>, report: &FitReport, problems: &[CliError]) -> ExitCode {
    // A signal that came after the last step has stopped nothing.
    match (stop.signal().filter(|_| report.stopped.is_some()), reporter.error()) {
        (Some(signal), _) => ExitCode::from(signals::exit_code(signal)),
        (None, Some(CliError::ClosedPipe)) => ExitCode::from(signals::CLOSED_PIPE),
        (None, None) if problems.is_empty() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
