//! What `bench` and `profile` share: which step of which file is measured, and how.

use crate::error::CliError;
use crate::graph_text;
use crate::isa::IsaArg;
use crate::numbers::{at_least_one, seconds};
use crate::threads::ThreadsArg;
use crate::tuned::TuningArg;
use graphc_frontend::Experiment;
use graphc_ir::graph::Mode;
use graphc_measure::{MeasureOptions, Spread};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// The options of both commands.
#[derive(Debug, clap::Args)]
pub(crate) struct MeasureArgs {
    /// The graph file, or graph text (.gir). Its data is not read: inputs are random numbers of their shapes.
    pub(crate) file: PathBuf,
    /// Samples per step [default: as in the graph file].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    batch: Option<usize>,
    #[command(flatten)]
    threads: ThreadsArg,
    /// Which instructions to use; results are the same bits with each.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) isa: IsaArg,
    /// Measure inference (predictions only, without loss and metrics) instead of a training step.
    #[arg(long)]
    infer: bool,
    /// How long to measure, after the compilation and a warm-up.
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "2")]
    seconds: f64,
    #[command(flatten)]
    tuning: TuningArg,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}

impl MeasureArgs {
    /// The experiment, and what of it is measured.
    pub(crate) fn load(&self) -> Result<(Experiment, MeasureOptions), CliError> {
        let mode = if self.infer { Mode::Infer } else { Mode::Train };
        let experiment = graph_text::load_for_step(&self.file, mode)?;
        let options = MeasureOptions {
            mode,
            batch: self.batch.unwrap_or(experiment.train.batch_size),
            threads: self.threads.threads,
            isa: self.isa.into(),
            time: Duration::from_secs_f64(self.seconds),
            seed: experiment.train.seed,
            tuning: self.tuning.tuning(),
        };
        Ok((experiment, options))
    }
}

/// `{ "min": …, "lower_quartile": …, … }`.
pub(crate) fn spread_json(spread: &Spread) -> Value {
    json!({
        "min": spread.min,
        "lower_quartile": spread.lower_quartile,
        "median": spread.median,
        "upper_quartile": spread.upper_quartile,
        "max": spread.max,
    })
}

/// `LeNet-5, training step of 64 samples, 1 thread, x86-64 …`.
pub(crate) fn heading(experiment: &Experiment, options: &MeasureOptions, threads: usize, target: &str) -> String {
    let step = match options.mode {
        Mode::Train => "training step",
        Mode::Infer => "inference",
    };
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let (batch, s) = (options.batch, plural(options.batch));
    format!("{}: {step} of {batch} sample{s}, {threads} thread{}, {target}", experiment.name, plural(threads))
}
