//! Time of every kernel inside the step, beside what limits it.
//!
//! A kernel's limit is the longer of two times: its operations at the multiply-add peak, and the bytes it must move at the
//! speed of the memory that holds them. The level is the smallest one that all its bytes fit into: the kernel before
//! may have left them there.

use super::traffic::{Traffic, traffic};
use super::workload::prepare;
use super::{MeasureOptions, Spread, work};
use crate::error::DriverError;
use graphc_ir::graph::Graph;
use graphc_runtime::peak::{Width, bandwidth, cache_bytes, multiply_adds};
use graphc_runtime::{Executable, StepLog, Team};
use std::time::{Duration, Instant};

/// Steps whose spans are kept.
const N_TRACED: usize = 10;

/// One level of memory.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryLevel {
    /// `L2`, `L3` or `memory`.
    pub name: &'static str,
    /// Bytes that fit, of one core where the level is a core's own; `usize::MAX` for memory.
    pub bytes: usize,
    /// Bytes read and written in 10^9 a second, by all threads used.
    pub gb_per_s: f64,
}

/// What keeps a kernel from being faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The multiply-add peak.
    Compute,
    /// The speed of the level of this position in [`Profile::memory`].
    Memory(usize),
}

/// One kernel of the step.
#[derive(Clone, Debug)]
pub struct KernelProfile {
    /// Its name in `graphc dump --stage loops`.
    pub name: String,
    /// What it computes: names of the fused groups, made of the user's nodes.
    pub sources: Vec<String>,
    /// Its time in a step, in ms.
    pub ms: Spread,
    /// Operations: see [`work`].
    pub flops: u64,
    /// Bytes: see [`traffic`](mod@super::traffic).
    pub traffic: Traffic,
    /// What limits it.
    pub limit: Limit,
    /// Time it would take at its limit, in ms.
    pub limit_ms: f64,
}

impl KernelProfile {
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
}

/// One run of a kernel on thread 0, which waits for the others at its end; on another thread a share of one of its phases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Which step, from 0.
    pub step: usize,
    /// Position in [`Profile::kernels`].
    pub kernel: usize,
    /// The thread that ran it, from 0.
    pub thread: usize,
    /// Time since the first of the steps began.
    pub start: Duration,
    /// How long it took.
    pub time: Duration,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Steps measured.
    pub n_steps: usize,
    /// Time of a step with all its kernels, in ms.
    pub step_ms: Spread,
    /// The kernels in the order they run, without the prologue, which does not run in every step.
    pub kernels: Vec<KernelProfile>,
    /// Operations of a step.
    pub flops: u64,
    /// The highest multiply-add peak of the threads used, in GFLOP/s.
    pub peak_gflops: f64,
    /// The same with 128-bit registers.
    pub peak_128_gflops: f64,
    /// Levels of memory, fastest first.
    pub memory: Vec<MemoryLevel>,
    /// Threads that ran the steps.
    pub threads: usize,
    /// What the code was made for.
    pub target: String,
    /// Every kernel of some steps.
    pub spans: Vec<Span>,
}

impl Profile {
    /// Median time of a kernel as a percentage of the median step.
    pub fn percent_of_step(&self, kernel: &KernelProfile) -> f64 {
        100.0 * kernel.ms.median / self.step_ms.median
    }
}

/// Compiles a step and measures its kernels.
///
/// # Errors
/// If the graph cannot be compiled, or there cannot be as many threads.
pub fn profile(graph: &Graph, options: &MeasureOptions) -> Result<Profile, DriverError> {
    let mut team = Team::new(options.threads)?;
    let mut compiled = prepare(graph, options)?;
    let threads = team.n_members();
    let mut machine = Machine::measure(threads);
    let times = run(&mut compiled.executable, &mut team, options.time)?;
    machine.keep_best(Machine::measure(threads));

    let (lowered, n_steps) = (&compiled.lowered, times.step_ms.len());
    let flops = work::kernel_flops(&lowered.fused, &lowered.plan);
    let kernels = lowered.program.kernels[times.n_prologue..].iter().zip(flops).zip(times.kernel_ms);
    let kernels = kernels.map(|((kernel, flops), ms)| {
        let traffic = traffic(&lowered.program, kernel);
        let (limit, limit_ms) = machine.limit(flops, traffic, threads);
        let (name, sources) = (kernel.name.clone(), kernel.sources.clone());
        KernelProfile { name, sources, ms: Spread::of(ms), flops, traffic, limit, limit_ms }
    });
    Ok(Profile {
        n_steps,
        step_ms: Spread::of(times.step_ms),
        kernels: kernels.collect(),
        flops: work::graph_flops(&lowered.fused),
        peak_gflops: machine.peak_gflops,
        peak_128_gflops: machine.peak_128_gflops,
        memory: machine.memory,
        threads,
        target: compiled.target,
        spans: times.spans,
    })
}

/// Peaks of the machine.
struct Machine {
    peak_gflops: f64,
    peak_128_gflops: f64,
    memory: Vec<MemoryLevel>,
}

impl Machine {
    fn measure(threads: usize) -> Machine {
        const TIME: Duration = Duration::from_millis(30);
        let (l2, l3) = (cache_bytes(2).unwrap_or(512 << 10), cache_bytes(3).unwrap_or(8 << 20));
        // Well inside each cache, and well beyond the last one.
        let levels = [("L2", l2, l2 / 2), ("L3", l3, (l3 / 2 / threads).max(2 * l2)), ("memory", usize::MAX, 2 * l3)];
        let level = |(name, bytes, measured)| {
            let gb_per_s = bandwidth(measured, threads, TIME);
            MemoryLevel { name, bytes, gb_per_s }
        };
        Machine {
            peak_gflops: multiply_adds(Width::Widest, threads, TIME),
            peak_128_gflops: multiply_adds(Width::Bits128, threads, TIME),
            memory: levels.map(level).to_vec(),
        }
    }

    fn keep_best(&mut self, other: Machine) {
        self.peak_gflops = self.peak_gflops.max(other.peak_gflops);
        self.peak_128_gflops = self.peak_128_gflops.max(other.peak_128_gflops);
        for (level, other) in self.memory.iter_mut().zip(other.memory) {
            level.gb_per_s = level.gb_per_s.max(other.gb_per_s);
        }
    }

    /// What limits a kernel, and the milliseconds it cannot beat.
    fn limit(&self, flops: u64, traffic: Traffic, threads: usize) -> (Limit, f64) {
        let compute_ms = flops as f64 / (self.peak_gflops * 1e6);
        let share = traffic.bytes() / threads;
        let level = self.memory.iter().position(|level| share <= level.bytes).unwrap_or(self.memory.len() - 1);
        let memory_ms = traffic.bytes() as f64 / (self.memory[level].gb_per_s * 1e6);
        if compute_ms >= memory_ms { (Limit::Compute, compute_ms) } else { (Limit::Memory(level), memory_ms) }
    }
}

/// Milliseconds of every step and of every kernel in it.
struct Times {
    /// Kernels of the prologue: they have run before, and are left out.
    n_prologue: usize,
    step_ms: Vec<f64>,
    kernel_ms: Vec<Vec<f64>>,
    spans: Vec<Span>,
}

/// Steps for `time` after a tenth of it as a warm-up, at least one; the first ones are traced.
fn run(executable: &mut Executable, team: &mut Team, time: Duration) -> Result<Times, DriverError> {
    let n_prologue = executable.program().prologue().len();
    let n_kernels = executable.program().kernels.len() - n_prologue;
    let mut log = StepLog::default();
    let warm_up = Instant::now();
    loop {
        executable.step_timed(team, &mut log)?;
        if warm_up.elapsed() >= time / 10 {
            break;
        }
    }
    let kernel_ms = vec![Vec::new(); n_kernels];
    let mut times = Times { n_prologue, step_ms: Vec::new(), kernel_ms, spans: Vec::new() };
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
    /// Adds a step; `begin` is when the first one began.
    fn add(&mut self, log: &StepLog, begin: Instant) {
        let (step, mut start) = (self.step_ms.len(), log.start);
        let n_prologue = self.n_prologue;
        let mut span = |kernel, thread, start: Instant, end: Instant| {
            if step < N_TRACED {
                self.spans.push(Span { step, kernel, thread, start: start - begin, time: end - start });
            }
        };
        for (kernel, &end) in log.ends[n_prologue..].iter().enumerate() {
            self.kernel_ms[kernel].push((end - start).as_secs_f64() * 1e3);
            span(kernel, 0, start, end);
            start = end;
        }
        log.shares.iter().for_each(|share| span(share.kernel - n_prologue, share.member, share.start, share.end));
        self.step_ms.push((start - log.start).as_secs_f64() * 1e3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_time_limits() {
        let level = |name, bytes, gb_per_s| MemoryLevel { name, bytes, gb_per_s };
        let memory = vec![level("L2", 1000, 40.0), level("L3", 10_000, 20.0), level("memory", usize::MAX, 10.0)];
        let machine = Machine { peak_gflops: 100.0, peak_128_gflops: 50.0, memory };
        let limit = |flops, bytes, threads| {
            let (limit, ms) = machine.limit(flops, Traffic { read_bytes: bytes, written_bytes: 0 }, threads);
            (limit, (ms * 1e9).round() / 1e3)
        };
        // In ns: 10,000 operations take 100, 400 bytes of L2 take 10.
        assert_eq!(limit(10_000, 400, 1), (Limit::Compute, 100.0));
        assert_eq!(limit(100, 400, 1), (Limit::Memory(0), 10.0));
        assert_eq!(limit(100, 2000, 1), (Limit::Memory(1), 100.0));
        assert_eq!(limit(100, 2000, 2), (Limit::Memory(0), 50.0));
        assert_eq!(limit(100, 20_000, 1), (Limit::Memory(2), 2000.0));
    }
}
