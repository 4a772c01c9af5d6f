//! Time of every phase of every kernel inside the step, beside what limits it.
//!
//! A kernel's phases run one after another, so all that is said of a kernel, and of the step, is the sum over its
//! phases: work, bytes, and the time at the limit. A phase is the smallest part that a clock can see: what it
//! consists of (nests) is called in turn for every share of its loop, inside machine code.

use crate::machine::{Limit, Machine, MemoryLevel};
use crate::options::MeasureOptions;
use crate::peak::Peaks;
use crate::spread::Spread;
use crate::traffic::{Traffic, traffic};
use crate::work;
use crate::workload::prepare;
use graphc_codegen::Counts;
use graphc_driver::DriverError;
use graphc_ir::graph::Graph;
use graphc_runtime::{Executable, StepLog, Team};
use std::time::{Duration, Instant};

/// Steps whose spans are kept.
const N_TRACED: usize = 10;

/// What a part of the step takes and does.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its time in a step, in ms.
    pub ms: Spread,
    /// Median times of its phases added up, in ms. On a machine that interrupts most steps somewhere, this is less
    /// than the median of the whole.
    pub phases_ms: f64,
    /// Operations: see [`work`].
    pub flops: u64,
    /// Bytes: see [`traffic`](mod@crate::traffic).
    pub traffic: Traffic,
    /// What limits it: of several phases, what limits them for the longest time.
    pub limit: Limit,
    /// Time it would take at its limit, in ms.
    pub limit_ms: f64,
}

impl Part {
    /// Speed at the median time.
    pub fn gflops(&self) -> f64 {
        self.flops as f64 / (self.ms.median * 1e6)
    }

    /// Bytes read and written in 10^9 a second, at the median time.
    pub fn gb_per_s(&self) -> f64 {
        self.traffic.bytes() as f64 / (self.ms.median * 1e6)
    }

    /// Time at the limit as a percentage of the median time.
    pub fn percent_of_limit(&self) -> f64 {
        100.0 * self.limit_ms / self.ms.median
    }

    /// Phases that run one after another and together take `ms`.
    fn sum(ms: Spread, parts: &[Part]) -> Part {
        let time_at = |limit: Limit| parts.iter().filter(|p| p.limit == limit).map(|p| p.limit_ms).sum::<f64>();
        let longest = parts.iter().map(|part| part.limit).max_by(|&a, &b| time_at(a).total_cmp(&time_at(b)));
        Part {
            ms,
            phases_ms: parts.iter().map(|part| part.phases_ms).sum(),
            flops: parts.iter().map(|part| part.flops).sum(),
            traffic: parts.iter().map(|part| part.traffic).sum(),
            limit: longest.unwrap_or(Limit::Compute),
            limit_ms: parts.iter().map(|part| part.limit_ms).sum(),
        }
    }
}

/// One kernel of the step.
#[derive(Clone, Debug)]
pub struct KernelProfile {
    /// Its name in `graphc dump --stage loops`.
    pub name: String,
    /// What it computes: names of the fused groups, made of the user's nodes.
    pub sources: Vec<String>,
    /// All its phases together.
    pub whole: Part,
    /// Its phases in the order they run.
    pub phases: Vec<PhaseProfile>,
}

/// One phase of a kernel.
#[derive(Clone, Debug)]
pub struct PhaseProfile {
    /// Names of the nests that run in it, in order.
    pub nests: Vec<String>,
    /// Whether threads share it; else one runs it while the others wait.
    pub is_shared: bool,
    /// Time, work and limit.
    pub part: Part,
}

/// One run of a phase on thread 0, which waits for the others at its end; on another thread a share of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Which step, from 0.
    pub step: usize,
    /// Position in [`Profile::kernels`].
    pub kernel: usize,
    /// Position in [`KernelProfile::phases`].
    pub phase: usize,
    /// The thread that ran it, from 0.
    pub thread: usize,
    /// Time since the first of the steps began.
    pub start: Duration,
    /// How long it took.
    pub time: Duration,
}

impl Span {
    /// When it ended, since the first of the steps began.
    pub fn end(&self) -> Duration {
        self.start + self.time
    }
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Steps measured.
    pub n_steps: usize,
    /// The step with all its kernels.
    pub whole: Part,
    /// The kernels in the order they run, without the prologue, which does not run in every step.
    pub kernels: Vec<KernelProfile>,
    /// Multiply-add peaks of the threads used, before and after the steps; limits are of the machine's.
    pub peaks: Peaks,
    /// Lanes of the vectors that the code computes contractions with.
    pub lanes: usize,
    /// Levels of memory, fastest first.
    pub memory: Vec<MemoryLevel>,
    /// Threads that ran the steps.
    pub threads: usize,
    /// What the code was made for.
    pub target: String,
    /// How many tiles and loops of it are assembled.
    pub counts: Counts,
    /// Every phase of some steps, thread after thread in each.
    pub spans: Vec<Span>,
}

impl Profile {
    /// Median times of the phases of a part as a percentage of those of all: these shares add up to 100.
    pub fn percent_of_step(&self, part: &Part) -> f64 {
        100.0 * part.phases_ms / self.whole.phases_ms
    }

    /// Speed of the step as a percentage of the peak of the unit that its code uses.
    pub fn percent_of_peak(&self) -> f64 {
        100.0 * self.whole.gflops() / self.peaks.of_lanes(self.lanes).highest()
    }

    /// The same of the machine's peak.
    pub fn percent_of_machine_peak(&self) -> f64 {
        100.0 * self.whole.gflops() / self.peaks.machine().highest()
    }

    /// How often the threads of a step meet: behind every phase that they share.
    pub fn n_barriers(&self) -> usize {
        let phases = self.kernels.iter().flat_map(|kernel| &kernel.phases);
        if self.threads > 1 { phases.filter(|phase| phase.is_shared).count() } else { 0 }
    }

    /// Name of a limit: `compute`, or that of a level of memory.
    pub fn limit_name(&self, limit: Limit) -> &'static str {
        match limit {
            Limit::Compute => "compute",
            Limit::Memory(level) => self.memory[level].name,
        }
    }
}

/// Compiles a step and measures its kernels and their phases.
///
/// # Errors
/// If the graph cannot be compiled, or there cannot be as many threads.
pub fn profile(graph: &Graph, options: &MeasureOptions) -> Result<Profile, DriverError> {
    let mut team = Team::new(options.threads)?;
    let mut compiled = prepare(graph, options)?;
    let threads = team.n_members();
    let mut machine = Machine::default();
    machine.measure(threads);
    let times = run(&mut compiled.executable, &mut team, options.time)?;
    machine.measure(threads);

    let (lowered, n_steps) = (&compiled.lowered, times.step_ms.len());
    let flops = work::phase_flops(&lowered.fused, &lowered.program);
    let mut phase_ms = times.phase_ms.into_iter();
    let kernels = lowered.program.each_step().iter().zip(flops).zip(times.kernel_ms).map(|((kernel, flops), ms)| {
        let phases = graphc_codegen::phases(kernel).zip(flops).zip(phase_ms.by_ref()).map(|((stmts, flops), ms)| {
            let traffic = traffic(&lowered.program, stmts);
            let (limit, limit_ms) = machine.limit(flops, traffic, threads);
            let ms = Spread::of(ms);
            let part = Part { ms, phases_ms: ms.median, flops, traffic, limit, limit_ms };
            PhaseProfile { nests: work::nests(stmts), is_shared: graphc_codegen::is_shared(stmts), part }
        });
        let phases: Vec<PhaseProfile> = phases.collect();
        let parts: Vec<Part> = phases.iter().map(|phase| phase.part).collect();
        let whole = Part::sum(Spread::of(ms), &parts);
        KernelProfile { name: kernel.name.clone(), sources: kernel.sources.clone(), whole, phases }
    });
    let kernels: Vec<KernelProfile> = kernels.collect();
    let parts: Vec<Part> = kernels.iter().flat_map(|kernel| &kernel.phases).map(|phase| phase.part).collect();
    Ok(Profile {
        n_steps,
        whole: Part::sum(Spread::of(times.step_ms), &parts),
        kernels,
        peaks: machine.peaks,
        lanes: compiled.lanes,
        memory: machine.memory,
        threads,
        target: compiled.target,
        counts: compiled.counts,
        spans: times.spans,
    })
}

/// Milliseconds of every step, of every kernel in it, and of every phase in these.
struct Times {
    /// Kernel of every phase, and the phase's position in it.
    places: Vec<(usize, usize)>,
    step_ms: Vec<f64>,
    kernel_ms: Vec<Vec<f64>>,
    phase_ms: Vec<Vec<f64>>,
    spans: Vec<Span>,
}

/// Steps for `time` after a tenth of it as a warm-up, at least one; the first ones are traced.
fn run(executable: &mut Executable, team: &mut Team, time: Duration) -> Result<Times, DriverError> {
    let mut log = StepLog::default();
    let warm_up = Instant::now();
    loop {
        executable.step_timed(team, &mut log)?;
        if warm_up.elapsed() >= time / 10 {
            break;
        }
    }
    let mut times = Times::new(executable);
    let begin = Instant::now();
    loop {
        executable.step_timed(team, &mut log)?;
        times.add(&log, begin);
        if begin.elapsed() >= time {
            return Ok(times);
        }
    }
}

impl Times {
    fn new(executable: &Executable) -> Times {
        // The prologue has run before.
        let kernels = &executable.code().kernels()[executable.program().prologue().len()..];
        let places = |(kernel, phases): (usize, usize)| (0..phases).map(move |phase| (kernel, phase));
        let places: Vec<_> = kernels.iter().map(|kernel| kernel.phases.len()).enumerate().flat_map(places).collect();
        Times {
            step_ms: Vec::new(),
            kernel_ms: vec![Vec::new(); kernels.len()],
            phase_ms: vec![Vec::new(); places.len()],
            spans: Vec::new(),
            places,
        }
    }

    /// Adds a step; `begin` is when the first one began.
    fn add(&mut self, log: &StepLog, begin: Instant) {
        let (step, mut start) = (self.step_ms.len(), log.start);
        let (places, spans) = (&self.places, &mut self.spans);
        let mut span = |position: usize, thread, start: Instant, end: Instant| {
            let (kernel, phase) = places[position];
            if step < N_TRACED {
                spans.push(Span { step, kernel, phase, thread, start: start - begin, time: end - start });
            }
        };
        self.kernel_ms.iter_mut().for_each(|times| times.push(0.0));
        for (position, &end) in log.ends.iter().enumerate() {
            let ms = (end - start).as_secs_f64() * 1e3;
            self.phase_ms[position].push(ms);
            if let Some(of_kernel) = self.kernel_ms[places[position].0].last_mut() {
                *of_kernel += ms;
            }
            span(position, 0, start, end);
            start = end;
        }
        log.shares.iter().for_each(|share| span(share.phase, share.member, share.start, share.end));
        self.step_ms.push((start - log.start).as_secs_f64() * 1e3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_limit_of_all_phases_counts() {
        let ms = Spread::of(vec![4.0]);
        let traffic = Traffic { read_bytes: 3, written_bytes: 1 };
        let part = |limit, limit_ms| Part { ms, phases_ms: 0.5, flops: 2, traffic, limit, limit_ms };
        let parts = [
            part(Limit::Compute, 1.0),
            part(Limit::Memory(0), 0.75),
            part(Limit::Memory(1), 0.25),
            part(Limit::Memory(0), 0.5),
        ];
        let sum = Part::sum(ms, &parts);
        assert_eq!((sum.limit, sum.limit_ms, sum.flops, sum.traffic.bytes()), (Limit::Memory(0), 2.5, 8, 16));
        assert_eq!((sum.percent_of_limit(), sum.phases_ms), (62.5, 2.0));
    }
}
