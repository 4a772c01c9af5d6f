//! `graphc bench`.

use crate::error::CliError;
use crate::measuring::{MeasureArgs, heading, spread_json};
use crate::threads::warn_if_fewer;
use crate::{output, tables, terminal, words};
use graphc_frontend::Experiment;
use graphc_measure::{Bench, MeasureOptions, bench};
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
/// multiply-add, and nothing else the step does. The peak is what multiply-adds on registers reach on this machine,
/// measured before, between and after the steps; the percentage is of the highest peak seen, so a busy machine makes it
/// worse, not better.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    measure: MeasureArgs,
}

const EXAMPLES: &str = "\
Examples:
  graphc bench examples/lenet5.graph.json
  graphc bench examples/lenet5.graph.json --infer --batch 1 --seconds 5
  graphc bench examples/matmul-512.gir --threads 1
  graphc bench examples/mlp.graph.json --isa portable --json | jq .percent_of_peak";

/// `start` is when the process started.
pub(crate) fn run(args: &Args, start: Instant) -> Result<ExitCode, CliError> {
    let read = Instant::now();
    let (experiment, options) = args.measure.load()?;
    let read = read.elapsed();
    let result = bench(&experiment.graph, &options, start)?;
    warn_if_fewer(options.threads, result.threads);
    if args.measure.json {
        output::line(json(args, &experiment, &options, read, &result).to_string())?;
    } else {
        output::line(heading(&experiment, &options, result.threads, &result.target))?;
        output::line(table(read, &result))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

fn json(args: &Args, experiment: &Experiment, options: &MeasureOptions, read: Duration, bench: &Bench) -> Value {
    let mut stages = Map::new();
    stages.insert("read".into(), json!(ms(read)));
    stages.extend(bench.stages.iter().map(|stage| (stage.name.to_string(), json!(ms(stage.time)))));
    json!({
        "graph": experiment.name,
        "mode": options.mode.name(),
        "batch": bench.batch,
        "threads": bench.threads,
        "isa": args.measure.isa.name(),
        "target": bench.target,
        "tuned": bench.is_tuned,
        "steps": bench.n_steps,
        "step_ms_median": bench.step_ms.median,
        "step_ms": spread_json(&bench.step_ms),
        "samples_per_s": bench.samples_per_s(),
        "flops_per_sample": bench.flops as f64 / bench.batch as f64,
        "gflops": bench.gflops(),
        "peak_gflops": bench.peak_gflops.max,
        "peak_gflops_median": bench.peak_gflops.median,
        "peak_gflops_128_bit": bench.peak_128_gflops,
        "percent_of_peak": bench.percent_of_peak(),
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
    let peaks = format!("{:.1} median; with 128-bit registers {:.1}", bench.peak_gflops.median, bench.peak_128_gflops);
    let schedule = if bench.is_tuned { "tuned" } else { "by cost model" };
    let stages = std::iter::once(format!("read {:.1}", ms(read)))
        .chain(bench.stages.iter().map(|stage| format!("{} {:.1}", stage.name, ms(stage.time))));
    let row = |name: &str, value: String, unit: &str, more: String| vec![name.into(), format!("{value} {unit}"), more];
    let mut rows = vec![
        row("Step", format!("{:.3}", step.median), "ms", spread),
        row("Samples per second", words::grouped(bench.samples_per_s().round() as usize), "", String::new()),
        row("Speed", format!("{:.1}", bench.gflops()), "GFLOP/s", format!("{:.1}% of peak", bench.percent_of_peak())),
        row("Multiply-add peak", format!("{:.1}", bench.peak_gflops.max), "GFLOP/s", peaks),
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
