//! How much faster a step is on more threads.

use crate::bench::{Bench, bench};
use crate::options::MeasureOptions;
use graphc_driver::DriverError;
use graphc_ir::graph::Graph;
use graphc_runtime::Team;
use std::time::Instant;

/// A run on some threads beside another one, mostly on fewer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// How many times as fast the median step is.
    pub speedup: f64,
    /// The same of the fastest steps.
    pub speedup_of_minima: f64,
    /// How many times as high the machine's peak is, measured on all of the threads at once: more cores have slower
    /// clocks, and two threads of one core have one peak.
    pub peak_ratio: f64,
}

impl Scaling {
    /// Of `run` beside `first`.
    pub fn of(run: &Bench, first: &Bench) -> Scaling {
        Scaling {
            speedup: first.step_ms.median / run.step_ms.median,
            speedup_of_minima: first.step_ms.min / run.step_ms.min,
            peak_ratio: run.peaks.machine().highest() / first.peaks.machine().highest(),
        }
    }

    /// The speedup as a percentage of what the peaks allow.
    pub fn efficiency_percent(&self) -> f64 {
        100.0 * self.speedup / self.peak_ratio
    }
}

/// [`bench`](fn@bench) on each number of threads in turn, whatever `options` say of threads. The time to the first step
/// of the first run is counted from `start`, that of another from when the run starts.
///
/// # Errors
/// If the graph cannot be compiled, or there cannot be as many threads.
pub fn bench_threads(
    graph: &Graph,
    options: &MeasureOptions,
    threads: &[usize],
    start: Instant,
) -> Result<Vec<Bench>, DriverError> {
    if let [_, others @ ..] = threads {
        // More than there can be are refused before anything is measured.
        others.iter().max().map(|&most| Team::new(most)).transpose()?;
    }
    let run = |(number, &threads): (usize, &usize)| {
        let start = if number == 0 { start } else { Instant::now() };
        bench(graph, &MeasureOptions { threads, ..options.clone() }, start)
    };
    threads.iter().enumerate().map(run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peak::{Peaks, UnitPeak};
    use crate::spread::Spread;
    use std::time::Duration;

    /// Steps of 40 million operations on a machine with 256-bit vectors whose code uses 128-bit ones.
    fn run(threads: usize, step_ms: &[f64], peaks: [&[f64]; 2]) -> Bench {
        let units = [4, 8].into_iter().zip(peaks).map(|(lanes, gflops)| UnitPeak { lanes, gflops: gflops.to_vec() });
        Bench {
            n_steps: step_ms.len(),
            step_ms: Spread::of(step_ms.to_vec()),
            flops: 40_000_000,
            peaks: Peaks { units: units.collect() },
            lanes: 4,
            batch: 1,
            threads,
            target: String::new(),
            is_tuned: false,
            compile: Duration::ZERO,
            stages: Vec::new(),
            first_step: Duration::ZERO,
            peak_memory: None,
        }
    }

    #[test]
    fn efficiency_is_beside_what_the_peaks_allow() {
        let first = run(1, &[4.0, 2.0, 3.0], [&[50.0], &[90.0, 100.0]]);
        let four = run(4, &[1.0, 1.5, 0.8], [&[200.0], &[300.0, 240.0]]);
        let scaling = Scaling::of(&four, &first);
        assert_eq!(scaling, Scaling { speedup: 3.0, speedup_of_minima: 2.5, peak_ratio: 3.0 });
        assert_eq!(scaling.efficiency_percent(), 100.0);
        let itself = Scaling::of(&first, &first);
        assert_eq!((itself.speedup, itself.peak_ratio, itself.efficiency_percent()), (1.0, 1.0, 100.0));
        // 40 GFLOP/s at the median step.
        assert_eq!((four.percent_of_peak(), four.percent_of_machine_peak()), (20.0, 100.0 * 40.0 / 300.0));
    }
}
