//! `graphc profile`.

use crate::error::CliError;
use crate::measuring::{MeasureArgs, heading, joined, peaks_json, peaks_text, shares_text, spread_json};
use crate::threads::{ThreadsArg, warn_if_fewer};
use crate::{output, tables, terminal, trace, words};
use graphc_driver::Tally;
use graphc_frontend::Experiment;
use graphc_measure::{KernelProfile, MeasureOptions, MemoryLevel, Part, PhaseProfile, Profile, profile};
use graphc_train::{check_writable, write_file};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show where the time of a step goes, kernel by kernel and phase by phase.
///
/// Compiles the training step (or inference, with --infer) of a graph file, runs it on random inputs and times every
/// phase of every kernel inside the step. Kernels and phases are those of `graphc dump --stage loops`, in the order
/// they run: a phase is a statement at the top of a kernel, and the loop nests it consists of are named after the
/// layers they compute. Nests of one phase are called in turn for every chunk of samples and cannot be timed by
/// themselves.
///
/// Times are medians over all steps, and shares of the step are of the phases' medians added up. Where other programs
/// interrupt most steps somewhere, that sum is less than the median step, and says more. GFLOP/s count contractions
/// (convolutions, matrix products and their gradients) with 2 operations per multiply-add. GB/s count every buffer once
/// for reading and once for writing, however often a phase goes over it.
///
/// The limit of a phase is the longer of two times: its operations at the multiply-add peak of this machine, and its
/// bytes at the speed of the smallest memory that holds them all. Both are measured in this process, with as many
/// threads as the step has. The peak is that of the machine's fastest vectors, also if --isa or the choice of graphc is
/// narrower ones. A phase at 30% of its limit could be 3 times as fast. A phase marked `*` is not shared
/// among threads, so with 2 threads it cannot exceed half of a compute limit. Of a kernel, and of the whole step, the
/// limit is the sum over its phases, named after what limits them longest.
///
/// The line `Code` counts register tiles of contractions, what is done to their results (epilogues), and innermost
/// loops. An assembler makes those that it can, with 256-bit vectors where this machine has them; the portable back end
/// makes the others, for the reasons given. `graphc dump --stage select` lists them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    threads: ThreadsArg,
    #[command(flatten)]
    measure: MeasureArgs,
    /// Also write the phases of the first steps, thread by thread, in Chrome's trace event format, which
    /// ui.perfetto.dev shows.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  graphc profile examples/lenet5.graph.json
  graphc profile examples/lenet5.graph.json --infer --batch 256 --threads 1
  graphc profile examples/lenet5.graph.json --trace lenet5.trace.json
  graphc profile examples/lenet5.graph.json --json | jq '.kernels[] | [.name, .ms_median]'";

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let (experiment, options) = args.measure.load(args.threads.threads)?;
    if let Some(path) = &args.trace {
        check_writable(path)?;
    }
    let profile = profile(&experiment.graph, &options)?;
    warn_if_fewer(options.threads, profile.threads);
    let threads = words::counted(profile.threads, "thread");
    let heading = heading(&experiment, &options, &threads, &profile.target);
    // What was measured is shown even if the trace cannot be written.
    let written = match &args.trace {
        Some(path) => write_file(path, trace::chrome(&heading, &profile).to_string().as_bytes()),
        None => Ok(()),
    };
    if args.measure.json {
        output::line(json(args, &experiment, &options, &profile).to_string())?;
    } else {
        let width = terminal::width_for_wrapping().into();
        for text in [heading, format!("Code: {}", profile.counts), peaks(&profile), steps(&profile)] {
            output::line(words::wrapped(&text, width))?;
        }
        output::line(table(&profile, terminal::width_for_wrapping()))?;
    }
    written?;
    Ok(ExitCode::SUCCESS)
}

fn json(args: &Args, experiment: &Experiment, options: &MeasureOptions, profile: &Profile) -> Value {
    let memory = |level: &MemoryLevel| {
        let bytes = (level.bytes < usize::MAX).then_some(level.bytes);
        json!({ "name": level.name, "bytes": bytes, "gb_per_s": level.gb_per_s })
    };
    let phase = |(number, phase): (usize, &PhaseProfile)| {
        let facts = json!({ "name": format!("phase{number}"), "nests": phase.nests, "shared": phase.is_shared });
        joined(facts, part_json(profile, &phase.part))
    };
    let kernel = |kernel: &KernelProfile| {
        let facts = json!({ "name": kernel.name, "sources": kernel.sources });
        let phases: Vec<Value> = kernel.phases.iter().enumerate().map(phase).collect();
        joined(joined(facts, part_json(profile, &kernel.whole)), json!({ "phases": phases }))
    };
    let facts = json!({
        "graph": experiment.name,
        "mode": options.mode.name(),
        "batch": options.batch,
        "threads": profile.threads,
        "isa": args.measure.isa.name(),
        "target": profile.target,
        "selected": {
            "tiles": tally_json(&profile.counts.tiles),
            "epilogues": tally_json(&profile.counts.epilogues),
            "loops": tally_json(&profile.counts.loops),
        },
        "barriers": profile.n_barriers(),
        "steps": profile.n_steps,
    });
    let rest = json!({
        "percent_of_peak": profile.percent_of_peak(),
        "percent_of_machine_peak": profile.percent_of_machine_peak(),
        "memory": profile.memory.iter().map(memory).collect::<Vec<Value>>(),
        "step": part_json(profile, &profile.whole),
    });
    let kernels = json!({ "kernels": profile.kernels.iter().map(kernel).collect::<Vec<Value>>() });
    [peaks_json(&profile.peaks, profile.lanes), rest, kernels].into_iter().fold(facts, joined)
}

/// How many are assembled, how many Cranelift's, and why.
fn tally_json(tally: &Tally) -> Value {
    let reasons: Map<String, Value> =
        tally.plain.iter().map(|(reason, &n)| (reason.to_string(), Value::from(n))).collect();
    json!({ "assembled": tally.assembled, "plain": tally.n_plain(), "reasons": reasons })
}

/// What is said of the step, of every kernel and of every phase.
fn part_json(profile: &Profile, part: &Part) -> Value {
    json!({
        "ms_median": part.ms.median,
        "ms": spread_json(&part.ms),
        "flops": part.flops,
        "bytes_read": part.traffic.read_bytes,
        "bytes_written": part.traffic.written_bytes,
        "gflops": part.gflops(),
        "gb_per_s": part.gb_per_s(),
        "limit": profile.limit_name(part.limit),
        "percent_of_limit": part.percent_of_limit(),
        "percent_of_step": profile.percent_of_step(part),
    })
}

/// The machine's own speeds.
fn peaks(profile: &Profile) -> String {
    let level = |level: &MemoryLevel| {
        let size = if level.bytes < usize::MAX { format!(" ({})", size(level.bytes)) } else { String::new() };
        format!("{}{size} {:.1} GB/s", level.name, level.gb_per_s)
    };
    format!(
        "Machine: {:.1} GFLOP/s of multiply-adds {}; {}",
        profile.peaks.machine().highest(),
        peaks_text(&profile.peaks, ""),
        profile.memory.iter().map(level).collect::<Vec<_>>().join(", ")
    )
}

fn size(bytes: usize) -> String {
    match bytes >> 10 {
        kilobytes if kilobytes.is_multiple_of(1024) => format!("{} MiB", kilobytes >> 10),
        kilobytes => format!("{kilobytes} KiB"),
    }
}

fn steps(profile: &Profile) -> String {
    let ms = &profile.whole.ms;
    let percent_of = [profile.percent_of_machine_peak(), profile.percent_of_peak()];
    format!(
        "Step: {:.3} ms median of {}; {:.3} min, {:.3} to {:.3} half of them, {:.3} max; \
         medians of its phases add up to {:.3} ms; {:.1} GFLOP/s, {}",
        ms.median,
        words::grouped(profile.n_steps),
        ms.min,
        ms.lower_quartile,
        ms.upper_quartile,
        ms.max,
        profile.whole.phases_ms,
        profile.whole.gflops(),
        shares_text(&profile.peaks, profile.lanes, percent_of)
    )
}

/// Kernels with their phases, and the step; what they compute is wrapped to fit `width`.
fn table(profile: &Profile, width: u16) -> String {
    let row = |name: String, what: String, part: &Part| {
        let speed = if part.flops == 0 { String::new() } else { format!("{:.1}", part.gflops()) };
        vec![
            name,
            what,
            if part.ms.median < 5e-5 { "<0.0001".into() } else { format!("{:.4}", part.ms.median) },
            speed,
            format!("{:.1}", part.gb_per_s()),
            format!("{:.0}% {:7}", part.percent_of_limit(), profile.limit_name(part.limit)),
            format!("{:.1}%", profile.percent_of_step(part)),
        ]
    };
    let nests = |phase: &PhaseProfile| {
        let mut names = phase.nests.clone();
        names.dedup();
        names.join(", ")
    };
    let is_alone = |phase: &PhaseProfile| profile.threads > 1 && !phase.is_shared;
    let mark = |phase: &PhaseProfile| if is_alone(phase) { "*" } else { "" };
    let mut rows = Vec::new();
    for kernel in &profile.kernels {
        if let [phase] = kernel.phases.as_slice() {
            rows.push(row(format!("{}{}", kernel.name, mark(phase)), nests(phase), &kernel.whole));
            continue;
        }
        rows.push(row(kernel.name.clone(), summary(&kernel.sources), &kernel.whole));
        let phases = kernel.phases.iter().enumerate();
        let phase_row = |(number, phase)| row(format!(" phase{number}{}", mark(phase)), nests(phase), &phase.part);
        rows.extend(phases.map(phase_row));
    }
    rows.push(row("step".into(), String::new(), &profile.whole));
    let header = ["Kernel", "Computes", "ms", "GFLOP/s", "GB/s", "Of limit", "Of step"];
    let mut table = tables::wrapped(header, 2, rows, &[1], width);
    if profile.kernels.iter().flat_map(|kernel| &kernel.phases).any(is_alone) {
        table.push_str("\n* not shared: one thread runs it while the others wait");
    }
    if profile.threads > 1 {
        _ = write!(table, "\nBarriers: {} a step, one behind every phase that is shared", profile.n_barriers());
    }
    table
}

/// Names of groups in brief: every layer once for each thing that is done for it.
///
/// `bn1 + relu1`, `gradient of bn1`, `bn1 + gradient of relu1` becomes `bn1, relu1; gradient of bn1, relu1`.
fn summary(sources: &[String]) -> String {
    let mut roles: Vec<(&str, Vec<&str>)> = Vec::new();
    for part in sources.iter().flat_map(|source| source.split(" + ")) {
        let (role, layer) = part.split_once(" of ").unwrap_or(("", part));
        let position = roles.iter().position(|(known, _)| *known == role).unwrap_or_else(|| {
            roles.push((role, Vec::new()));
            roles.len() - 1
        });
        if !roles[position].1.contains(&layer) {
            roles[position].1.push(layer);
        }
    }
    let role = |(role, layers): &(&str, Vec<&str>)| {
        let of = if role.is_empty() { "" } else { " of " };
        format!("{role}{of}{}", layers.join(", "))
    };
    roles.iter().map(role).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_named_once_for_each_role() {
        let sources = ["bn1 + relu1", "gradient of bn1", "bn1 + gradient of relu1", "loss"].map(String::from);
        assert_eq!(summary(&sources), "bn1, relu1, loss; gradient of bn1, relu1");
    }

    #[test]
    fn sizes() {
        assert_eq!([512 << 10, 1 << 20, 1280 << 10].map(size), ["512 KiB", "1 MiB", "1280 KiB"]);
    }
}
