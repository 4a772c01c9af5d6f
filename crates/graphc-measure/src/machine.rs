//! The machine's peaks, and how fast a phase could be.
//!
//! A phase's limit is the longer of two times: its operations at the multiply-add peak of the machine's fastest vector
//! unit, whichever the code uses, and the bytes it must move at the speed of the memory that holds them. The level is
//! the smallest one that all its bytes fit into: the phase before may have left them there.

use crate::peak::{Peaks, bandwidth, cache_bytes};
use crate::traffic::Traffic;
use std::time::Duration;

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

/// What keeps a phase from being faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The multiply-add peak.
    Compute,
    /// The speed of the level of this position in [`Profile::memory`](crate::Profile::memory).
    Memory(usize),
}

/// Peaks of the machine.
#[derive(Default)]
pub(crate) struct Machine {
    pub(crate) peaks: Peaks,
    pub(crate) memory: Vec<MemoryLevel>,
}

impl Machine {
    /// Measures everything once more.
    pub(crate) fn measure(&mut self, threads: usize) {
        const TIME: Duration = Duration::from_millis(30);
        let (l2, l3) = (cache_bytes(2).unwrap_or(512 << 10), cache_bytes(3).unwrap_or(8 << 20));
        // Well inside each cache, and well beyond the last one.
        let levels = [("L2", l2, l2 / 2), ("L3", l3, (l3 / 2 / threads).max(2 * l2)), ("memory", usize::MAX, 2 * l3)];
        for (position, (name, bytes, measured)) in levels.into_iter().enumerate() {
            let gb_per_s = bandwidth(measured, threads, TIME);
            match self.memory.get_mut(position) {
                Some(level) => level.gb_per_s = level.gb_per_s.max(gb_per_s),
                None => self.memory.push(MemoryLevel { name, bytes, gb_per_s }),
            }
        }
        self.peaks.measure(threads, TIME);
    }

    /// What limits a phase, and the milliseconds it cannot beat.
    pub(crate) fn limit(&self, flops: u64, traffic: Traffic, threads: usize) -> (Limit, f64) {
        let compute_ms = flops as f64 / (self.peaks.machine().highest() * 1e6);
        let share = traffic.bytes() / threads;
        let level = self.memory.iter().position(|level| share <= level.bytes).unwrap_or(self.memory.len() - 1);
        let memory_ms = traffic.bytes() as f64 / (self.memory[level].gb_per_s * 1e6);
        if compute_ms >= memory_ms { (Limit::Compute, compute_ms) } else { (Limit::Memory(level), memory_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peak::UnitPeak;

    #[test]
    fn the_longer_time_limits() {
        let level = |name, bytes, gb_per_s| MemoryLevel { name, bytes, gb_per_s };
        let memory = vec![level("L2", 1000, 40.0), level("L3", 10_000, 20.0), level("memory", usize::MAX, 10.0)];
        let unit = |lanes, gflops| UnitPeak { lanes, gflops: vec![gflops] };
        let machine = Machine { peaks: Peaks { units: vec![unit(4, 50.0), unit(8, 100.0)] }, memory };
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
