//! Two programs of one graph measured against each other, kernel by kernel.
//!
//! A shared machine is slow and fast by turns, for longer than a step takes. So both programs run in short bursts
//! that alternate, and a kernel of the second counts as faster only if that shows in the minimum over all bursts and
//! in the median of neighbouring pairs: a lucky moment gives one of them, hardly both.

use crate::spread::Spread;
use graphc_driver::DriverError;
use graphc_runtime::{Executable, StepLog, Team};
use std::time::{Duration, Instant};

/// Shortest burst.
const BURST: Duration = Duration::from_millis(4);

/// Steps longer than this need no other step to warm the caches for them.
const LONG_STEP: Duration = Duration::from_millis(20);

/// Smallest times of the bursts of two programs, in ms.
pub(crate) struct Duel {
    step: Pair,
    /// Those of every step, in order.
    kernels: Vec<Pair>,
}

/// Times of the two programs; bursts of one position were neighbours.
#[derive(Clone, Debug, Default)]
struct Pair([Vec<f64>; 2]);

impl Pair {
    fn min(&self, side: usize) -> f64 {
        self.0[side].iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// How many times faster the second program is, told by the minimum or by neighbours, whichever says less.
    fn speedup(&self) -> f64 {
        let ratios = self.0[0].iter().zip(&self.0[1]).map(|(first, second)| first / second);
        Spread::of(ratios.collect()).median.min(self.min(0) / self.min(1))
    }
}

impl Duel {
    /// Runs two programs in turn for `time`, each of them at least once.
    pub(crate) fn run(programs: [&mut Executable; 2], team: &mut Team, time: Duration) -> Result<Duel, DriverError> {
        let [first, second] = programs;
        let mut duel = Duel { step: Pair::default(), kernels: Vec::new() };
        // What runs once only, the prologue, is no part of a step's time.
        first.step_on(team)?;
        second.step_on(team)?;
        let begin = Instant::now();
        for round in 0.. {
            // Whoever goes first finds the caches as the other left them.
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            for side in order {
                let executable = if side == 0 { &mut *first } else { &mut *second };
                duel.burst(side, executable, team)?;
            }
            if begin.elapsed() >= time {
                break;
            }
        }
        Ok(duel)
    }

    fn burst(&mut self, side: usize, executable: &mut Executable, team: &mut Team) -> Result<(), DriverError> {
        let mut log = StepLog::default();
        let mut best = BurstTimes::default();
        let begin = Instant::now();
        executable.step_timed(team, &mut log)?;
        if begin.elapsed() >= LONG_STEP {
            best.add(&log, executable);
        } else {
            while best.kernels.is_empty() || begin.elapsed() < BURST {
                executable.step_timed(team, &mut log)?;
                best.add(&log, executable);
            }
        }
        self.step.0[side].push(best.step);
        self.kernels.resize(best.kernels.len(), Pair::default());
        for (kernel, ms) in self.kernels.iter_mut().zip(best.kernels) {
            kernel.0[side].push(ms);
        }
        Ok(())
    }

    /// How many times faster the second program's kernel at that position behind the prologue is.
    pub(crate) fn speedup(&self, kernel: usize) -> f64 {
        self.kernels[kernel].speedup()
    }

    /// How many times faster the second program's step is.
    pub(crate) fn step_speedup(&self) -> f64 {
        self.step.speedup()
    }

    /// Smallest times of the kernel at that position behind the prologue in both programs.
    pub(crate) fn kernel_ms(&self, kernel: usize) -> [f64; 2] {
        [0, 1].map(|side| self.kernels[kernel].min(side))
    }

    /// Times of the step in both programs, the smallest of each burst.
    pub(crate) fn step_ms(&self) -> [Spread; 2] {
        [0, 1].map(|side| Spread::of(self.step.0[side].clone()))
    }
}

/// Smallest times of one burst, in ms.
struct BurstTimes {
    step: f64,
    kernels: Vec<f64>,
}

impl Default for BurstTimes {
    fn default() -> BurstTimes {
        BurstTimes { step: f64::INFINITY, kernels: Vec::new() }
    }
}

impl BurstTimes {
    fn add(&mut self, log: &StepLog, executable: &Executable) {
        let kernels = &executable.code().kernels()[executable.program().prologue().len()..];
        self.kernels.resize(kernels.len(), f64::INFINITY);
        let (mut start, mut ends) = (log.start, log.ends.iter());
        for (best, kernel) in self.kernels.iter_mut().zip(kernels) {
            let end = ends.by_ref().take(kernel.phases.len()).last().copied().unwrap_or(start);
            *best = best.min((end - start).as_secs_f64() * 1e3);
            start = end;
        }
        self.step = self.step.min((start - log.start).as_secs_f64() * 1e3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lucky_moment_is_no_speedup() {
        let speedup = |first: [f64; 3], second: [f64; 3]| Pair([first.to_vec(), second.to_vec()]).speedup();
        assert_eq!(speedup([4.0, 4.0, 8.0], [2.0, 2.0, 4.0]), 2.0);
        // Once fast, twice as before.
        assert_eq!(speedup([4.0, 4.0, 4.0], [2.0, 4.0, 4.0]), 1.0);
        // The machine was slow whenever it was the first one's turn but once.
        assert_eq!(speedup([8.0, 8.0, 4.0], [4.0, 4.0, 4.0]), 1.0);
    }
}
