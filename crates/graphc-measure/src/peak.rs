//! What the machine can do at most: multiply-adds and memory traffic, measured.
//!
//! Speeds of compiled code mean something only beside the machine's own, measured in the same seconds: clocks and
//! neighbours change them by tens of percent. Every vector unit is measured, also those that no code is made for: the
//! highest peak is the machine's. What counts is the best of many short runs, on as many threads as asked for at once.

use crate::spread::Spread;
use graphc_codegen::peak::{Unit, units};
use graphc_runtime::hint::LINE;
use pulp::Arch;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Multiply-adds of one run, in vectors: about ten microseconds.
const RUN: usize = 48_000;

/// Multiply-add peaks of every vector unit, the narrowest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peaks {
    /// One for each unit that the machine has.
    pub units: Vec<UnitPeak>,
}

/// The multiply-add peak of a vector unit.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitPeak {
    /// `f32` words of its registers.
    pub lanes: usize,
    /// GFLOP/s of all threads together, once for each time that it was measured.
    pub gflops: Vec<f64>,
}

impl UnitPeak {
    /// Bits of its registers.
    pub fn bits(&self) -> usize {
        32 * self.lanes
    }

    /// The highest speed measured: other work on the machine makes the others smaller.
    pub fn highest(&self) -> f64 {
        self.spread().max
    }

    /// All that was measured.
    pub fn spread(&self) -> Spread {
        Spread::of(self.gflops.clone())
    }
}

impl Peaks {
    /// Measures every unit once more, each for `time`.
    pub(crate) fn measure(&mut self, threads: usize, time: Duration) {
        for unit in units() {
            let speed = multiply_adds(unit, threads, time);
            match self.units.iter_mut().find(|known| known.lanes == unit.lanes) {
                Some(known) => known.gflops.push(speed),
                None => self.units.push(UnitPeak { lanes: unit.lanes, gflops: vec![speed] }),
            }
        }
    }

    /// The peak of the machine: that of its fastest unit.
    pub fn machine(&self) -> &UnitPeak {
        let fastest = self.units.iter().max_by(|a, b| a.highest().total_cmp(&b.highest()));
        fastest.expect("every machine has a unit")
    }

    /// The peak of the unit with so many lanes, or the widest below: of what code for them can reach.
    pub fn of_lanes(&self, lanes: usize) -> &UnitPeak {
        let below = self.units.iter().rfind(|unit| unit.lanes <= lanes);
        below.or(self.units.first()).expect("every machine has a unit")
    }
}

/// Speed of fused multiply-adds on a unit's registers, in GFLOP/s (2 per multiply-add): the best run found in `time`
/// on each of `threads` threads running at once, summed.
pub fn multiply_adds(unit: Unit, threads: usize, time: Duration) -> f64 {
    on_threads(threads, time, || move || unit.multiply_adds(RUN) as f64 / 1e9)
}

/// Speed of memory of a working set of `bytes` a thread, in GB/s read and written: the best pass of
/// `y = 0.5 * x + y` found in `time` on each of `threads` threads running at once, summed.
pub fn bandwidth(bytes: usize, threads: usize, time: Duration) -> f64 {
    let len = (bytes / (2 * size_of::<f32>())).max(64);
    // Short passes are repeated: a clock is read in some tens of nanoseconds.
    let repeats = (1_usize << 16).div_ceil(len);
    on_threads(threads, time, || {
        // Both at the start of a cache line, as buffers of a step: vectors across two lines are a quarter slower.
        let words_per_line = LINE / size_of::<f32>();
        let room = len.next_multiple_of(words_per_line);
        let mut words = vec![1.0_f32; 2 * room + words_per_line];
        let first = words.as_ptr().align_offset(LINE);
        move || {
            let (x, y) = words[first..].split_at_mut(room);
            for _ in 0..repeats {
                sweep(black_box(&x[..len]), black_box(&mut y[..len]));
            }
            (3 * size_of::<f32>() * len * repeats) as f64 / 1e9
        }
    })
}

/// Size of the first core's cache of a level; unknown where the system does not tell under `/sys`.
pub fn cache_bytes(level: u32) -> Option<usize> {
    let read = |index: u32, name: &str| {
        std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{name}")).ok()
    };
    let index = (0..8).find(|&index| {
        let of_data = read(index, "type").is_some_and(|kind| kind.trim() != "Instruction");
        of_data && read(index, "level").is_some_and(|found| found.trim() == level.to_string())
    })?;
    let size = read(index, "size")?;
    let kilobytes: usize = size.trim().strip_suffix('K')?.parse().ok()?;
    Some(kilobytes << 10).filter(|&bytes| bytes > 0)
}

/// Threads that measure at once.
struct Together {
    /// How many they are; more than any number until that is known.
    n_threads: AtomicUsize,
    /// How many are ready to start.
    n_ready: AtomicUsize,
    /// One of them has finished, so that no longer all are at work.
    is_over: AtomicBool,
}

impl Together {
    /// Highest amount per second of one run; runs go on for `time`, at least two of them, of which the first one counts
    /// for nothing.
    fn best(&self, time: Duration, mut run: impl FnMut() -> f64) -> f64 {
        run();
        self.n_ready.fetch_add(1, Ordering::AcqRel);
        while self.n_ready.load(Ordering::Acquire) < self.n_threads.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        let start = Instant::now();
        let mut best: f64 = 0.0;
        loop {
            let begin = Instant::now();
            let amount = run();
            let speed = amount / begin.elapsed().as_secs_f64().max(1e-9);
            // A core that is left alone may be faster.
            if best > 0.0 && self.is_over.load(Ordering::Acquire) {
                return best;
            }
            best = best.max(speed);
            if start.elapsed() >= time {
                self.is_over.store(true, Ordering::Release);
                return best;
            }
        }
    }
}

/// The sum of every thread's best run of what `make` gives it, while all of them run. There are no more threads than
/// processors: those would rest in turn, each with its best run while others do not run.
fn on_threads<R: FnMut() -> f64>(threads: usize, time: Duration, make: impl Fn() -> R + Sync) -> f64 {
    let processors = std::thread::available_parallelism().map_or(threads, usize::from);
    let together = Together { n_threads: usize::MAX.into(), n_ready: 0.into(), is_over: false.into() };
    std::thread::scope(|scope| {
        let measure = || together.best(time, make());
        // The system may give fewer.
        let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, measure).ok();
        let others: Vec<_> = (1..threads.min(processors)).map_while(spawn).collect();
        together.n_threads.store(1 + others.len(), Ordering::Release);
        let own = measure();
        own + others.into_iter().map(|handle| handle.join().unwrap_or(0.0)).sum::<f64>()
    })
}

/// `y = 0.5 * x + y`, with the widest vectors.
fn sweep(x: &[f32], y: &mut [f32]) {
    let words = y.iter_mut().zip(x);
    match Arch::new() {
        // Here `mul_add` may be a call.
        Arch::Scalar => words.for_each(|(y, x)| *y += 0.5 * x),
        arch => arch.dispatch(
            #[inline(always)]
            || words.for_each(|(y, x)| *y = x.mul_add(0.5, *y)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(2);

    #[test]
    fn speeds_are_those_of_a_machine() {
        for threads in [1, 2] {
            let mut peaks = Peaks::default();
            peaks.measure(threads, SHORT);
            peaks.measure(threads, SHORT);
            assert_eq!(peaks.units.len(), units().len());
            for unit in &peaks.units {
                assert_eq!(unit.gflops.len(), 2);
                // From a software `fma` in an unoptimised build to many times today's fastest core.
                assert!(unit.gflops.iter().all(|&speed| speed > 1e-3 && speed < 1e4), "{threads}: {unit:?}");
            }
        }
        let speed = bandwidth(1 << 16, 2, SHORT);
        assert!(speed > 1e-3 && speed < 1e5, "{speed}");
    }

    #[test]
    fn the_machines_peak_is_that_of_its_fastest_unit() {
        let unit = |lanes, gflops: &[f64]| UnitPeak { lanes, gflops: gflops.to_vec() };
        // Wide registers need not be faster.
        let peaks = Peaks { units: vec![unit(4, &[40.0, 50.0]), unit(8, &[99.0, 80.0, 100.0]), unit(16, &[98.0])] };
        assert_eq!(
            (peaks.machine().bits(), peaks.machine().highest(), peaks.machine().spread().median),
            (256, 100.0, 99.0)
        );
        assert_eq!([4, 8, 16, 32, 1].map(|lanes| peaks.of_lanes(lanes).lanes), [4, 8, 16, 16, 4]);
    }

    /// Nobody goes on when somebody has finished: on a core that is left alone.
    #[test]
    fn threads_measure_while_all_of_them_run() {
        let n_runs = |is_over: bool, time| {
            let together = Together { n_threads: 1.into(), n_ready: 0.into(), is_over: is_over.into() };
            let mut n_runs = 0;
            let best = together.best(time, || {
                n_runs += 1;
                1.0
            });
            assert!(best > 0.0 && together.is_over.into_inner());
            n_runs
        };
        assert_eq!(n_runs(false, Duration::ZERO), 2, "one to warm up, one that counts");
        assert_eq!(n_runs(true, Duration::from_secs(3600)), 3, "one counts in any case");
    }

    #[test]
    fn a_sweep_is_a_scaled_sum() {
        let (x, mut y) = ([2.0; 19], [1.0; 19]);
        sweep(&x, &mut y);
        assert_eq!(y, [2.0; 19]);
    }
}
