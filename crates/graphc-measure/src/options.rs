//! What is measured and for how long.

use graphc_codegen::Isa;
use graphc_driver::tuning::Tuning;
use graphc_ir::graph::Mode;
use std::time::Duration;

/// What is measured and for how long.
#[derive(Clone, Debug)]
pub struct MeasureOptions {
    /// Training step or inference. Inference computes predictions only: no loss, no metrics.
    pub mode: Mode,
    /// Samples per step.
    pub batch: usize,
    /// Threads that run a step together, at least 1.
    pub threads: usize,
    /// Which instructions to use.
    pub isa: Isa,
    /// How long to measure, apart from the compilation and the warm-up.
    pub time: Duration,
    /// Seed of weights and inputs.
    pub seed: u64,
    /// Where choices of the schedule come from.
    pub tuning: Tuning,
}
