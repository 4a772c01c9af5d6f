//! `graphc bench`.

mod scaling;

use crate::error::CliError;
use crate::measuring::{MeasureArgs, heading, joined, peaks_json, peaks_text, shares_text, spread_json};
use crate::threads::{ThreadCounts, warn_if_fewer};
use crate::{output, tables, terminal, words};
use graphc_driver::default_threads;
use graphc_frontend::Experiment;
use graphc_measure::scaling::bench_threads;
use graphc_measure::{Bench, MeasureOptions};
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Measure the step: time, speed, compilation, memory.
///
/// Compiles the training step (or inference, with --infer) of a graph file and runs it on random inputs. Text of a
/// graph, as `graphc dump --stage graph` prints it, is read as well: a single product, say, in a file named *.gir, with
/// a loss and an optimizer if its gradients are to be measured, too. Prints the
/// median step time with its spread, samples per second, the time of every compilation stage, the time from the start
/// of the process to the end of the first step, and the most memory used.
///
/// GFLOP/s count the contractions (convolutions, matrix products and their gradients) with 2 operations per
/// multiply-add, and nothing else the step does. The machine's peak is what multiply-adds on registers reach with the
/// vectors that are fastest here, also if --isa or the choice of graphc is narrower ones; then the percentage of these
/// is given, too. All peaks are measured before, between and after the steps, on as many threads at once; percentages
/// are of the highest speed seen, so a busy machine makes them worse, not better.
///
/// With several numbers of threads (`--threads 1,2,4,8`) the step is measured on each of them in turn. A table tells
/// the speedup over the first, of the median steps; the machine's peak on as many threads at once; and the efficiency,
/// which is the speedup beside that of the peak: more cores have slower clocks, and two threads of one core have one
/// peak.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Threads that run a step together; one per physical core that may be used unless given. Several numbers with
    /// commas between them, as in 1,2,4,8, are measured in turn. Results are the same bits with any number.
    #[arg(long, value_name = "N", default_value_t)]
    threads: ThreadCounts,
    #[command(flatten)]
    measure: MeasureArgs,
}

const EXAMPLES: &str = "\
Examples:
  graphc bench examples/lenet5.graph.json
  graphc bench examples/lenet5.graph.json --infer --batch 1 --seconds 5
  graphc bench examples/matmul-512.gir --threads 1
  graphc bench examples/vgg32.graph.json --threads 1,2,4,8
  graphc bench examples/mlp.graph.json --isa portable --json | jq .percent_of_peak";

/// `start` is when the process started.
pub(crate) fn run(args: &Args, start: Instant) -> Result<ExitCode, CliError> {
    let ThreadCounts(threads) = &args.threads;
    let begin = Instant::now();
    let (experiment, options) = args.measure.load(threads[0])?;
    let step = Step { args, experiment: &experiment, options: &options, read: begin.elapsed() };
    let runs = bench_threads(&experiment.graph, &options, threads, start)?;
    threads.iter().zip(&runs).for_each(|(&asked, run)| warn_if_fewer(asked, run.threads));
    match (&runs[..], args.measure.json) {
        ([run], true) => output::line(step.json(run).to_string())?,
        ([run], false) => {
            output::line(step.heading(&words::counted(run.threads, "thread"), run))?;
            output::line(table(step.read, run))?;
        }
        (runs, true) => output::line(step.scaling_json(runs).to_string())?,
        (runs, false) => {
            let counts: Vec<String> = runs.iter().map(|run| run.threads.to_string()).collect();
            output::line(step.heading(&format!("{} threads", counts.join(", ")), &runs[0]))?;
            output::line(scaling::table(runs, default_threads(), terminal::width_for_wrapping()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What was measured, however often.
struct Step<'a> {
    args: &'a Args,
    experiment: &'a Experiment,
    options: &'a MeasureOptions,
    /// How long the file was read.
    read: Duration,
}

impl Step<'_> {
    fn heading(&self, threads: &str, run: &Bench) -> String {
        let heading = heading(self.experiment, self.options, threads, &run.target);
        words::wrapped(&heading, terminal::width_for_wrapping().into())
    }

    /// What is said of every run alike.
    fn facts(&self, run: &Bench) -> Value {
        json!({
            "graph": self.experiment.name,
            "mode": self.options.mode.name(),
            "batch": run.batch,
            "isa": self.args.measure.isa.name(),
            "target": run.target,
        })
    }

    fn json(&self, run: &Bench) -> Value {
        let peaks = peaks_json(&run.peaks, run.lanes);
        [json!({ "threads": run.threads }), json(self.read, run), peaks].into_iter().fold(self.facts(run), joined)
    }

    fn scaling_json(&self, runs: &[Bench]) -> Value {
        let n_cores = default_threads();
        let run = |run: &Bench| joined(self.json(run), scaling::json(run, &runs[0], n_cores));
        joined(self.facts(&runs[0]), json!({ "runs": runs.iter().map(run).collect::<Vec<Value>>() }))
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

fn json(read: Duration, bench: &Bench) -> Value {
    let mut stages = Map::new();
    stages.insert("read".into(), json!(ms(read)));
    stages.extend(bench.stages.iter().map(|stage| (stage.name.to_string(), json!(ms(stage.time)))));
    json!({
        "tuned": bench.is_tuned,
        "steps": bench.n_steps,
        "step_ms_median": bench.step_ms.median,
        "step_ms": spread_json(&bench.step_ms),
        "samples_per_s": bench.samples_per_s(),
        "flops_per_sample": bench.flops as f64 / bench.batch as f64,
        "gflops": bench.gflops(),
        "percent_of_peak": bench.percent_of_peak(),
        "percent_of_machine_peak": bench.percent_of_machine_peak(),
        "compile_ms": ms(read + bench.compile),
        "compile_stages_ms": stages,
        "first_step_ms": ms(bench.first_step),
        "peak_rss_mb": bench.peak_memory.map(megabytes),
    })
}

fn table(read: Duration, bench: &Bench) -> String {
    let step = &bench.step_ms;
    let spread = format!(
        "{:.3} min, {:.3} to {:.3} half of {} steps, {:.3} max",
        step.min,
        step.lower_quartile,
        step.upper_quartile,
        words::grouped(bench.n_steps),
        step.max
    );
    let peak = bench.peaks.machine().spread();
    let peaks = peaks_text(&bench.peaks, &format!(", {:.1} median", peak.median));
    let percent_of = [bench.percent_of_machine_peak(), bench.percent_of_peak()];
    let shares = shares_text(&bench.peaks, bench.lanes, percent_of);
    let schedule = if bench.is_tuned { "tuned" } else { "by cost model" };
    let stages = std::iter::once(format!("read {:.1}", ms(read)))
        .chain(bench.stages.iter().map(|stage| format!("{} {:.1}", stage.name, ms(stage.time))));
    let row = |name: &str, value: String, unit: &str, more: String| vec![name.into(), format!("{value} {unit}"), more];
    let mut rows = vec![
        row("Step", format!("{:.3}", step.median), "ms", spread),
        row("Samples per second", words::grouped(bench.samples_per_s().round() as usize), "", String::new()),
        row("Speed", format!("{:.1}", bench.gflops()), "GFLOP/s", shares),
        row("Multiply-add peak", format!("{:.1}", peak.max), "GFLOP/s", peaks),
        row(
            "File to executable",
            format!("{:.1}", ms(read + bench.compile)),
            "ms",
            stages.collect::<Vec<_>>().join(", "),
        ),
        row("Schedule", schedule.into(), "", String::new()),
        row("Start to first step", format!("{:.1}", ms(bench.first_step)), "ms", String::new()),
    ];
    if let Some(bytes) = bench.peak_memory {
        rows.push(row("Most memory", format!("{:.1}", megabytes(bytes)), "MB", String::new()));
    }
    tables::wrapped(["Measured", "Result", "Details"], 3, rows, &[2], terminal::width_for_wrapping())
}
