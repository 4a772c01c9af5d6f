//! `graphc dump`.

use super::run::ModeArg;
use crate::error::CliError;
use crate::isa::IsaArg;
use crate::numbers::at_least_one;
use crate::sizes::SizeArgs;
use crate::{graph_text, output, tables};
use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use graphc_driver::{
    CompileOptions, Isa, Lowered, Machine, PrintAfter, Stage, compile, dump, dump_dot, dump_ladder, lower,
};
use std::path::PathBuf;
use std::process::ExitCode;

/// Print any stage of the compilation.
///
/// The text is deterministic and names the line of the graph file every node comes from. Text of the stage `graph` (a
/// `.gir` file) is read as well as a graph file. With `--machine`, the code is that for another machine than this one.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The graph file (.graph.json), or graph text (.gir).
    file: PathBuf,
    #[command(flatten)]
    sizes: SizeArgs,
    /// Print every form from the graph to machine code; with --stage, that one alone.
    #[arg(long)]
    ir: bool,
    /// Which form [default: graph, or all with --ir].
    #[arg(long, value_enum)]
    stage: Option<StageArg>,
    /// For a training step or for inference.
    #[arg(long, value_enum, default_value = "train")]
    mode: ModeArg,
    /// For this batch size [default: as in the graph file].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    batch: Option<usize>,
    /// Print the graph after every run of a pass, or after all.
    #[arg(long, value_name = "PASS|all")]
    print_after: Option<String>,
    /// Show how long every pass took and what it changed.
    #[arg(long)]
    time_passes: bool,
    /// Print the graph in Graphviz's language (stages graph, backward, fused).
    #[arg(long, conflicts_with_all = ["print_after", "time_passes"])]
    dot: bool,
    /// Which instructions of this machine to use.
    #[arg(long, value_enum, default_value_t)]
    isa: IsaArg,
    /// The machine to make code for; another one than `host` need not be at hand.
    #[arg(long, value_name = "NAME", value_parser = machine(), default_value = Machine::default().name())]
    machine: Machine,
    /// For this many threads; results do not depend on it.
    #[arg(long, value_name = "N", value_parser = at_least_one, default_value = "1")]
    threads: usize,
    /// Compile with a bounds check on every memory access.
    #[arg(long)]
    checked: bool,
}

const EXAMPLES: &str = "\
Examples:
  graphc dump examples/lenet5.graph.json --ir --stage fused
  graphc dump examples/lenet5.graph.json --ir --stage loops --mode infer --batch 1
  graphc dump examples/lenet5.graph.json --ir --machine x86-64-avx2 > lenet5.ladder
  graphc dump examples/lenet5.graph.json --ir --print-after simplify
  graphc dump examples/lenet5.graph.json --dot | dot -Tsvg > lenet5.svg";

/// [`Stage`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StageArg {
    /// As written.
    Graph,
    /// Forward, loss, backward and update in one graph.
    Backward,
    /// After the passes, with what runs in which kernel, and why.
    Fused,
    /// How kernels are scheduled, and what was refused.
    Plan,
    /// Kernels as loops over buffers.
    Loops,
    /// Which code every loop and tile becomes, and why.
    Select,
    /// Cranelift's input.
    Clif,
    /// Machine code.
    Asm,
}

impl From<StageArg> for Stage {
    fn from(stage: StageArg) -> Stage {
        match stage {
            StageArg::Graph => Stage::Graph,
            StageArg::Backward => Stage::Backward,
            StageArg::Fused => Stage::Fused,
            StageArg::Plan => Stage::Plan,
            StageArg::Loops => Stage::Loops,
            StageArg::Select => Stage::Select,
            StageArg::Clif => Stage::Clif,
            StageArg::Asm => Stage::Asm,
        }
    }
}

/// Reads the name of a machine; help and completions have the list.
fn machine() -> impl TypedValueParser<Value = Machine> {
    let names = Machine::ALL.map(|machine| PossibleValue::new(machine.name()).help(machine.about()));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Machine>())
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let experiment = graph_text::load(&args.file, &args.sizes)?;
    let graph = experiment.graph;
    let batch = args.batch.or(graph.batch).unwrap_or(experiment.train.batch_size);
    let base = match args.mode {
        ModeArg::Train => CompileOptions::train(batch),
        ModeArg::Infer => CompileOptions::infer(batch),
    };
    let options = CompileOptions {
        machine: args.machine,
        isa: args.isa.into(),
        threads: args.threads,
        checked: args.checked,
        update: base.update && graph.optimizer.is_some(),
        print_after: match args.print_after.as_deref() {
            None => PrintAfter::Nothing,
            Some("all") => PrintAfter::All,
            Some(pass) => PrintAfter::Step(pass.to_string()),
        },
        ..base
    };
    if options.machine != Machine::Host && options.isa != Isa::Native {
        let name = options.machine.name();
        return Err(CliError::new(format!("`--isa` says what is used of this machine; {name} has one way alone")));
    }
    let stage = args.stage.map(Stage::from);
    if args.dot {
        output::text(&dump_dot(&graph, stage.unwrap_or(Stage::Graph), &options)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(pass) = &args.print_after {
        print_after(pass, &lower(&graph, &options)?)?;
    }
    if args.time_passes {
        output::line(time_table(&compile(&graph, &options)?.lowered))?;
    }
    let only_passes = args.print_after.is_some() || args.time_passes;
    let text = match stage {
        Some(stage) => dump(&graph, stage, &options)?,
        None if only_passes => return Ok(ExitCode::SUCCESS),
        None if args.ir => dump_ladder(&graph, &options)?,
        None => dump(&graph, Stage::Graph, &options)?,
    };
    output::line(text.trim_end_matches('\n'))?;
    Ok(ExitCode::SUCCESS)
}

fn print_after(pass: &str, lowered: &Lowered) -> Result<(), CliError> {
    let mut found = false;
    for record in &lowered.records {
        if let Some(text) = &record.text {
            found = true;
            output::line(format!("; after {}: {}\n{}", record.name, record.report.summary(), text))?;
        }
    }
    if found {
        return Ok(());
    }
    let mut names: Vec<&str> = lowered.records.iter().map(|record| record.name).collect();
    names.sort_unstable();
    names.dedup();
    Err(CliError::new(format!("no pass `{pass}` ran; there are {}", names.join(", "))))
}

fn time_table(lowered: &Lowered) -> String {
    let ms = |time: std::time::Duration| format!("{:.3}", time.as_secs_f64() * 1e3);
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (idx, stage) in lowered.times.iter().enumerate() {
        let record = lowered.records.get(idx).filter(|record| record.name == stage.name);
        let nodes = record.map_or_else(String::new, |record| record.n_nodes.to_string());
        let changes = record.map_or_else(String::new, |record| record.report.summary());
        rows.push(vec![stage.name.to_string(), changes, nodes, ms(stage.time)]);
    }
    let total = lowered.times.iter().map(|stage| stage.time).sum();
    rows.push(vec!["total".to_string(), String::new(), String::new(), ms(total)]);
    tables::table(["Stage", "Changes", "Nodes", "ms"], 2, rows)
}
