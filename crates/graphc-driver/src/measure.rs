//! How fast a compiled step is, and why: what `graphc bench` and `graphc profile` print.
//!
//! Steps run on random inputs of the graph's own shapes, so no data files are needed. Times stand beside the machine's
//! peaks, measured in between the steps: a percentage of yesterday's clock says nothing.
//!
//! Reading order: `ranges` (of loop variables), [`work`] (arithmetic of a graph and of phases), [`traffic`] (memory a
//! phase touches), `machine` (its peaks, and what limits a phase), `workload` (a step ready to be measured),
//! [`bench`](mod@bench), [`profile`](mod@profile), `duel` (two steps against each other), [`tune`](mod@tune).

mod ranges;

pub mod work;

pub mod traffic;

mod machine;
mod workload;

pub mod bench;
mod duel;
pub mod profile;
pub mod tune;

pub use bench::{Bench, bench};
pub use machine::{Limit, MemoryLevel};
pub use profile::{KernelProfile, Part, PhaseProfile, Profile, Span, profile};
pub use tune::{Change, Tuned, TunedKernel, tune};
pub use workload::prepare;

use crate::tuning::Tuning;
use graphc_codegen::Isa;
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

/// A set of measurements in order statistics, in the unit of the measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Smallest.
    pub min: f64,
    /// A quarter lies below.
    pub lower_quartile: f64,
    /// Half lies below.
    pub median: f64,
    /// A quarter lies above.
    pub upper_quartile: f64,
    /// Largest.
    pub max: f64,
}

impl Spread {
    /// Of at least one measurement; between two measurements a quantile is interpolated.
    ///
    /// # Panics
    /// If there is no measurement.
    pub fn of(mut values: Vec<f64>) -> Spread {
        assert!(!values.is_empty(), "a spread of no measurements");
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let position = share * (values.len() - 1) as f64;
            let (below, above) = (values[position.floor() as usize], values[position.ceil() as usize]);
            below + (above - below) * position.fract()
        };
        Spread { min: at(0.0), lower_quartile: at(0.25), median: at(0.5), upper_quartile: at(0.75), max: at(1.0) }
    }
}

/// Most memory this process has had at once, in bytes; unknown where there is no `/proc`.
pub fn peak_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: usize = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        let spread = Spread::of(vec![5.0, 1.0, 3.0, 2.0]);
        let expected = Spread { min: 1.0, lower_quartile: 1.75, median: 2.5, upper_quartile: 3.5, max: 5.0 };
        assert_eq!(spread, expected);
        assert_eq!(Spread::of(vec![7.0]).upper_quartile, 7.0);
    }

    #[test]
    fn memory_has_been_used() {
        if let Some(bytes) = peak_memory() {
            assert!(bytes > 1 << 16);
        }
    }
}
