//! What `bench` and `profile` share: which step of which file is measured, and how.

use crate::error::CliError;
use crate::graph_text;
use crate::isa::IsaArg;
use crate::numbers::{at_least_one, seconds};
use crate::sizes::SizeArgs;
use crate::tuned::TuningArg;
use crate::words;
use graphc_frontend::Experiment;
use graphc_ir::graph::Mode;
use graphc_measure::{MeasureOptions, Peaks, Spread, UnitPeak};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// The options of both commands.
#[derive(Debug, clap::Args)]
pub(crate) struct MeasureArgs {
    /// The graph file, or graph text (.gir). Its data is not read: inputs are random numbers of their shapes.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    sizes: SizeArgs,
    /// Samples per step [default: as in the graph file].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    batch: Option<usize>,
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
    /// The experiment, and what of it is measured on so many threads.
    pub(crate) fn load(&self, threads: usize) -> Result<(Experiment, MeasureOptions), CliError> {
        let mode = if self.infer { Mode::Infer } else { Mode::Train };
        let experiment = graph_text::load_for_step(&self.file, &self.sizes, mode)?;
        let options = MeasureOptions {
            mode,
            batch: self.batch.unwrap_or(experiment.train.batch_size),
            threads,
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

/// Multiply-add peaks of all vector units, of the unit that the code uses, and of the machine.
pub(crate) fn peaks_json(peaks: &Peaks, lanes: usize) -> Value {
    let unit = |unit: &UnitPeak| {
        let speed = unit.spread();
        json!({ "bits": unit.bits(), "gflops": speed.max, "gflops_median": speed.median })
    };
    let used = peaks.of_lanes(lanes);
    json!({
        "peak_gflops": used.highest(),
        "peak_gflops_median": used.spread().median,
        "peak_gflops_128_bit": peaks.of_lanes(4).highest(),
        "machine_peak_gflops": peaks.machine().highest(),
        "peaks": peaks.units.iter().map(unit).collect::<Vec<Value>>(),
    })
}

/// `with 512-bit vectors, 98.8 with 256, 49.4 with 128`: whose peak the machine's is, and those of the other units.
/// `more` stands behind the first.
pub(crate) fn peaks_text(peaks: &Peaks, more: &str) -> String {
    let machine = peaks.machine();
    let others = peaks.units.iter().rev().filter(|unit| unit.lanes != machine.lanes);
    let others = others.map(|unit| format!(", {:.1} with {}", unit.highest(), unit.bits()));
    format!("with {}-bit vectors{more}{}", machine.bits(), others.collect::<String>())
}

/// `36.2% of the machine's peak, 71.9% of that of 256-bit vectors`: the second one if the code uses other vectors than
/// the fastest.
pub(crate) fn shares_text(peaks: &Peaks, lanes: usize, percent_of: [f64; 2]) -> String {
    let [of_machine, of_used] = percent_of;
    let used = peaks.of_lanes(lanes);
    let of_used = match used.lanes == peaks.machine().lanes {
        true => String::new(),
        false => format!(", {of_used:.1}% of that of {}-bit vectors", used.bits()),
    };
    format!("{of_machine:.1}% of the machine's peak{of_used}")
}

/// An object with the fields of both.
pub(crate) fn joined(first: Value, second: Value) -> Value {
    let fields = |value: Value| match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    Value::Object(fields(first).into_iter().chain(fields(second)).collect())
}

/// `LeNet-5: training step of 64 samples, 1 thread, x86-64 …`.
pub(crate) fn heading(experiment: &Experiment, options: &MeasureOptions, threads: &str, target: &str) -> String {
    let step = match options.mode {
        Mode::Train => "training step",
        Mode::Infer => "inference",
    };
    let batch = words::counted(options.batch, "sample");
    format!("{}: {step} of {batch}, {threads}, {target}", experiment.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_peak_stands_first() {
        let unit = |lanes, gflops| UnitPeak { lanes, gflops: vec![gflops] };
        let peaks = Peaks { units: vec![unit(4, 49.4), unit(8, 98.8), unit(16, 191.0)] };
        assert_eq!(peaks_text(&peaks, ""), "with 512-bit vectors, 98.8 with 256, 49.4 with 128");
        let shares = shares_text(&peaks, 8, [36.2, 71.94]);
        assert_eq!(shares, "36.2% of the machine's peak, 71.9% of that of 256-bit vectors");
        assert_eq!(shares_text(&peaks, 16, [36.2, 36.2]), "36.2% of the machine's peak");
        let slow = Peaks { units: vec![unit(8, 98.8), unit(16, 90.0)] };
        assert_eq!(peaks_text(&slow, ", 97.0 median"), "with 256-bit vectors, 97.0 median, 90.0 with 512");
        let json = peaks_json(&peaks, 8);
        assert_eq!((&json["peak_gflops"], &json["machine_peak_gflops"]), (&json!(98.8), &json!(191.0)));
        assert_eq!(json["peaks"][2], json!({ "bits": 512, "gflops": 191.0, "gflops_median": 191.0 }));
    }
}
