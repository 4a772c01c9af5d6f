//! Time of a whole step.

use crate::options::MeasureOptions;
use crate::peak::Peaks;
use crate::process::peak_memory;
use crate::spread::Spread;
use crate::work;
use crate::workload::prepare;
use graphc_driver::DriverError;
use graphc_driver::pipeline::{Lowered, StageTime};
use graphc_ir::graph::Graph;
use graphc_runtime::{RuntimeError, Team};
use std::time::{Duration, Instant};

/// What was measured.
#[derive(Clone, Debug)]
pub struct Bench {
    /// Steps measured.
    pub n_steps: usize,
    /// Time of a step, in ms.
    pub step_ms: Spread,
    /// Operations of a step: see [`work`].
    pub flops: u64,
    /// Multiply-add peaks of the threads used: before, between and after the steps.
    pub peaks: Peaks,
    /// Lanes of the vectors that the code computes contractions with.
    pub lanes: usize,
    /// Samples per step.
    pub batch: usize,
    /// Threads that ran the steps.
    pub threads: usize,
    /// What the code was made for.
    pub target: String,
    /// Whether [`MeasureOptions::tuning`] had choices for the step.
    pub is_tuned: bool,
    /// The whole compilation.
    pub compile: Duration,
    /// Its stages in order; passes are added up under the name `passes`.
    pub stages: Vec<StageTime>,
    /// From `start` to the end of the first step.
    pub first_step: Duration,
    /// Most memory the process had at once, in bytes.
    pub peak_memory: Option<usize>,
}

impl Bench {
    /// Samples per second at the median step.
    pub fn samples_per_s(&self) -> f64 {
        self.batch as f64 / (self.step_ms.median * 1e-3)
    }

    /// Speed of the median step.
    pub fn gflops(&self) -> f64 {
        self.flops as f64 / (self.step_ms.median * 1e6)
    }

    /// Speed of the median step as a percentage of the highest peak measured of the unit that its code uses.
    pub fn percent_of_peak(&self) -> f64 {
        100.0 * self.gflops() / self.peaks.of_lanes(self.lanes).highest()
    }

    /// The same of the machine's peak: of its fastest unit, also if the code uses another one.
    pub fn percent_of_machine_peak(&self) -> f64 {
        100.0 * self.gflops() / self.peaks.machine().highest()
    }
}

/// Compiles a step and measures it. `start` is when the process started, or whatever the time to the first step is
/// counted from.
///
/// # Errors
/// If the graph cannot be compiled, or there cannot be as many threads.
pub fn bench(graph: &Graph, options: &MeasureOptions, start: Instant) -> Result<Bench, DriverError> {
    let mut team = Team::new(options.threads)?;
    let mut compiled = prepare(graph, options)?;
    compiled.executable.step_on(&mut team)?;
    let first_step = start.elapsed();
    let threads = team.n_members();
    let peak_time = (options.time / 50).clamp(Duration::from_millis(2), Duration::from_millis(10));
    let mut peaks = Peaks::default();
    let mut step = || compiled.executable.step_on(&mut team);
    let step_ms = interleaved(&mut step, options.time, || peaks.measure(threads, peak_time))?;
    Ok(Bench {
        n_steps: step_ms.len(),
        step_ms: Spread::of(step_ms),
        flops: work::graph_flops(&compiled.lowered.fused),
        peaks,
        lanes: compiled.lanes,
        batch: options.batch,
        threads,
        stages: stages(&compiled.lowered),
        target: compiled.target,
        is_tuned: compiled.lowered.is_tuned,
        compile: compiled.time,
        first_step,
        peak_memory: peak_memory(),
    })
}

/// Milliseconds of every step for `time` after a warm-up; `between` is called before, between and after them. Steps
/// run in slices, one of which warms up and is thrown away.
fn interleaved(
    step: &mut impl FnMut() -> Result<(), RuntimeError>,
    time: Duration,
    mut between: impl FnMut(),
) -> Result<Vec<f64>, DriverError> {
    const N_SLICES: u32 = 8;
    const FEWEST_STEPS: usize = 3;
    slice(step, time / N_SLICES)?;
    between();
    let (mut steps, mut measured) = (Vec::new(), Duration::ZERO);
    while measured < time || steps.len() < FEWEST_STEPS {
        let begin = Instant::now();
        steps.extend(slice(step, time / N_SLICES)?);
        measured += begin.elapsed();
        between();
    }
    Ok(steps)
}

/// Steps for `time`, at least one.
fn slice(step: &mut impl FnMut() -> Result<(), RuntimeError>, time: Duration) -> Result<Vec<f64>, DriverError> {
    let begin = Instant::now();
    let mut steps = Vec::new();
    loop {
        let start = Instant::now();
        step()?;
        steps.push(start.elapsed().as_secs_f64() * 1e3);
        if begin.elapsed() >= time {
            return Ok(steps);
        }
    }
}

/// Autodiff, passes and what follows them, each once, in order of first appearance; passes are added up under the
/// name `passes`.
pub fn stages(lowered: &Lowered) -> Vec<StageTime> {
    let is_pass = |name: &str| name != "autodiff" && lowered.records.iter().any(|pass| pass.name == name);
    let mut stages: Vec<StageTime> = Vec::new();
    for stage in &lowered.times {
        let name = if is_pass(stage.name) { "passes" } else { stage.name };
        match stages.iter_mut().find(|known| known.name == name) {
            Some(known) => known.time += stage.time,
            None => stages.push(StageTime { name, time: stage.time }),
        }
    }
    stages
}
