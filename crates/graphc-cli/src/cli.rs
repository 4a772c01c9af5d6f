//! The subcommands.

use crate::commands::{
    bench, check, completions, dump, eval, generate, predict, profile, report, run, runs, schema, show, summary, train,
    tune, verify,
};
use crate::error::CliError;
use crate::threads::ThreadCounts;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::any::TypeId;
use std::process::ExitCode;
use std::time::Instant;

/// Compiles neural networks written as JSON graphs into machine code, and trains them.
#[derive(Debug, Parser)]
#[command(name = "graphc", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  graphc train examples/lenet5.graph.json
  graphc eval examples/lenet5.graph.json --weights runs/lenet5-1/model.safetensors
  graphc verify runs/lenet5-1
  graphc predict examples/lenet5.graph.json --weights runs/lenet5-1/model.safetensors digit.png
  graphc generate examples/next-character.graph.json --weights runs/next-character-1
  graphc report runs/lenet5-1
  graphc dump examples/lenet5.graph.json --ir --stage fused
  graphc bench examples/lenet5.graph.json
  graphc profile examples/lenet5.graph.json

`graphc help COMMAND` explains a command.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Train(train::Args),
    Eval(eval::Args),
    Predict(predict::Args),
    Generate(generate::Args),
    Show(show::Args),
    Summary(summary::Args),
    Run(run::Args),
    Runs(runs::Args),
    Report(report::Args),
    Verify(verify::Args),
    Dump(dump::Args),
    Check(check::Args),
    Bench(bench::Args),
    Profile(profile::Args),
    Tune(tune::Args),
    Schema(schema::Args),
    Completions(completions::Args),
}

/// The command line, or a message about it and the end of the program.
pub(crate) fn parse() -> Cli {
    // `--epochs -1` is a wrong number, not an option `-1`.
    let numbers = [TypeId::of::<usize>(), TypeId::of::<u64>(), TypeId::of::<f64>(), TypeId::of::<ThreadCounts>()];
    let command = Cli::command().mut_subcommands(|command| {
        command.mut_args(|arg| {
            let is_number = numbers.iter().any(|number| arg.get_value_parser().type_id() == *number);
            arg.allow_hyphen_values(is_number)
        })
    });
    Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

impl Command {
    /// `start` is when the process started.
    pub(crate) fn run(self, start: Instant) -> Result<ExitCode, CliError> {
        match self {
            Command::Train(args) => train::run(&args, start),
            Command::Eval(args) => eval::run(&args),
            Command::Predict(args) => predict::run(&args),
            Command::Generate(args) => generate::run(&args),
            Command::Show(args) => show::run(&args),
            Command::Summary(args) => summary::run(&args),
            Command::Run(args) => run::run(&args),
            Command::Runs(args) => runs::run(&args),
            Command::Report(args) => report::run(&args),
            Command::Verify(args) => verify::run(&args),
            Command::Dump(args) => dump::run(&args),
            Command::Check(args) => check::run(&args),
            Command::Bench(args) => bench::run(&args, start),
            Command::Profile(args) => profile::run(&args),
            Command::Tune(args) => tune::run(&args),
            Command::Schema(args) => schema::run(&args),
            Command::Completions(args) => completions::run(&args, Cli::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        for command in Cli::command().get_subcommands() {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Example"), "{} has no example:\n{help}", command.get_name());
        }
    }
}
