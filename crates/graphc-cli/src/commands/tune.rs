//! `graphc tune`.

use crate::error::CliError;
use crate::isa::IsaArg;
use crate::measuring::{heading, spread_json};
use crate::numbers::{at_least_one, seconds};
use crate::sizes::SizeArgs;
use crate::threads::{ThreadsArg, warn_if_fewer};
use crate::{graph_text, output, progress, shell, tables, tuned, words};
use graphc_driver::{CompileOptions, Tuning};
use graphc_frontend::Experiment;
use graphc_ir::graph::Mode;
use graphc_measure::{Change, MeasureOptions, Tuned, TunedKernel, tune};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Measure other schedules than the cost model's, and keep the faster ones.
///
/// Tries register tiles, loop orders, strips, blocks of terms, packed weights, task sizes and where updates are done
/// for every contraction of the training step (or of inference, with --infer) on random inputs, and stores what is
/// faster in a cache file: in $GRAPHC_CACHE_DIR, else $XDG_CACHE_HOME/graphc, else ~/.cache/graphc. Commands that run
/// the same step for the same instructions use it from then on; --untuned ignores it. Results are the same bits in any
/// case. A change of the graph, the batch size, the instructions or the version of graphc needs another run.
///
/// An alternative must be more than 2% faster, twice, measured in turn with the best so far. The last comparison is of
/// the whole step; if it is no faster, nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The graph file, or graph text (.gir). Its data is not read: inputs are random numbers of their shapes.
    file: PathBuf,
    #[command(flatten)]
    sizes: SizeArgs,
    /// Samples per step [default: as in the graph file].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    batch: Option<usize>,
    #[command(flatten)]
    threads: ThreadsArg,
    /// Which instructions to use.
    #[arg(long, value_enum, default_value_t)]
    isa: IsaArg,
    /// Tune inference instead of a training step.
    #[arg(long)]
    infer: bool,
    /// How long to look for something faster.
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "30")]
    seconds: f64,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  graphc tune examples/lenet5.graph.json
  graphc tune examples/vgg32.graph.json --batch 32 --seconds 120
  graphc tune examples/lenet5.graph.json --infer --batch 256 --json | jq .speedup";

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let mode = if args.infer { Mode::Infer } else { Mode::Train };
    let experiment = graph_text::load_for_step(&args.file, &args.sizes, mode)?;
    let Some(folder) = tuned::folder() else {
        return Err(CliError::new("no folder to keep the result in: neither GRAPHC_CACHE_DIR nor HOME is set"));
    };
    tuned::check_folder(&folder)?;
    let options = MeasureOptions {
        mode,
        batch: args.batch.unwrap_or(experiment.train.batch_size),
        threads: args.threads.threads,
        isa: args.isa.into(),
        time: Duration::from_secs_f64(args.seconds),
        seed: experiment.train.seed,
        tuning: Tuning::default(),
    };
    let bar = progress::bar((!args.json).then_some("{prefix} {bar:24} {pos}/{len} alternatives  {elapsed}"));
    bar.set_prefix("tuning");
    let result = tune(&experiment.graph, &options, &mut |n_tried, n_left| {
        bar.set_length((n_tried + n_left) as u64);
        bar.set_position(n_tried as u64);
    });
    bar.finish_and_clear();
    let result = result?;
    warn_if_fewer(options.threads, result.threads);
    // What was found out is shown even if it cannot be kept.
    let stored = store(&folder, &experiment, &options, &result);
    let files = stored.as_deref().unwrap_or_default();
    if args.json {
        output::line(json(args, &experiment, &result, files).to_string())?;
    } else {
        let threads = words::counted(result.threads, "thread");
        output::line(heading(&experiment, &options, &threads, &result.key.target))?;
        output::line(table(&result))?;
        output::line(conclusion(&result))?;
        files.iter().try_for_each(|file| output::line(format!("Stored in {}", file.display())))?;
    }
    stored?;
    Ok(ExitCode::SUCCESS)
}

/// One file for the step as measured; one more where other commands run another step with the same contractions.
fn store(
    folder: &Path,
    experiment: &Experiment,
    options: &MeasureOptions,
    tuned: &Tuned,
) -> Result<Vec<PathBuf>, CliError> {
    let mut keys = vec![tuned.key.clone()];
    if options.mode == Mode::Infer {
        // What is measured computes predictions only; `eval` and `run` want the loss too.
        let evaluation = CompileOptions { isa: options.isa, ..CompileOptions::infer(options.batch) };
        keys.push(graphc_driver::tuning_key(&experiment.graph, &evaluation)?);
        keys.dedup();
    }
    keys.iter().map(|key| tuned::store(folder, key, tuned)).collect()
}

fn speedup(tuned: &Tuned) -> f64 {
    tuned.before_ms.min / tuned.after_ms.min
}

fn json(args: &Args, experiment: &Experiment, tuned: &Tuned, files: &[PathBuf]) -> Value {
    let change = |change: &Change| {
        json!({
            "contraction": change.contraction,
            "what": change.aspect.name(),
            "before": change.before,
            "after": change.after,
        })
    };
    let kernel = |kernel: &TunedKernel| {
        json!({
            "name": kernel.name,
            "sources": kernel.sources,
            "before_ms": kernel.before_ms,
            "after_ms": kernel.after_ms,
            "choices": kernel.changes.iter().map(change).collect::<Vec<_>>(),
        })
    };
    json!({
        "graph": experiment.name,
        "mode": tuned.key.mode.name(),
        "batch": tuned.key.batch,
        "threads": tuned.threads,
        "isa": args.isa.name(),
        "target": tuned.key.target,
        "step_ms_before": spread_json(&tuned.before_ms),
        "step_ms_after": spread_json(&tuned.after_ms),
        "speedup": speedup(tuned),
        "tried": tuned.n_tried,
        "left": tuned.n_left,
        "kernels": tuned.kernels.iter().map(kernel).collect::<Vec<_>>(),
        "stored": files.iter().map(|file| shell::path_json(file)).collect::<Vec<_>>(),
    })
}

fn table(tuned: &Tuned) -> String {
    let microseconds = |ms: f64| format!("{:.1}", ms * 1e3);
    let mut rows = Vec::new();
    for kernel in &tuned.kernels {
        let mut times = vec![kernel.name.clone(), microseconds(kernel.before_ms), microseconds(kernel.after_ms)];
        for change in &kernel.changes {
            times.push(format!(
                "{} {}: {}, not {}",
                change.contraction,
                change.aspect.name(),
                change.after,
                change.before
            ));
            rows.push(times);
            times = vec![String::new(); 3];
        }
        if kernel.changes.is_empty() {
            times.push("as the cost model chooses".into());
            rows.push(times);
        }
    }
    let [before, after] = [&tuned.before_ms, &tuned.after_ms].map(|step| microseconds(step.min));
    rows.push(vec!["step".into(), before, after, format!("{:.3} times as fast", speedup(tuned))]);
    tables::table(["Kernel", "Before, µs", "After, µs", "Choice"], 4, rows)
}

fn conclusion(tuned: &Tuned) -> String {
    let left = match tuned.n_left {
        0 => String::new(),
        n => format!(" ({} more in a longer run)", words::grouped(n)),
    };
    let found = match tuned.choices.iter().count() {
        0 => "none is faster".to_string(),
        n => format!("{} better than the cost model's", words::counted(n, "choice")),
    };
    format!("{} alternatives tried{left}: {found}", words::grouped(tuned.n_tried))
}
