//! What the machine can do at most: multiply-adds and memory traffic, measured.
//!
//! Speeds of compiled code mean something only beside the machine's own, measured in the same seconds: clocks and
//! neighbours change them by tens of percent. The loops here do nothing but keep the units busy; what is
//! measured is the best of many short runs, on as many threads as asked for at once.

use std::hint::black_box;
use std::sync::RwLock;
use std::time::{Duration, Instant};

/// Width of the registers that multiply-adds are measured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 4 lanes, which every vector unit has.
    Bits128,
    /// The widest registers this module knows on this machine.
    Widest,
}

/// Multiply-adds of one round of the register loop; a round takes about ten microseconds.
const ROUND: usize = 12 * 4000;

/// Speed of fused multiply-adds on registers, in GFLOP/s (2 per multiply-add): the best round found in `time` on each
/// of `threads` threads running at once, summed.
pub fn multiply_adds(width: Width, threads: usize, time: Duration) -> f64 {
    let round: fn() -> usize = round(width);
    on_threads(threads, || {
        best(time, || {
            let n_lanes = round();
            (2 * ROUND * n_lanes) as f64 / 1e9
        })
    })
}

/// Speed of memory of a working set of `bytes` a thread, in GB/s read and written: the best pass of
/// `y = 0.5 * x + y` found in `time` on each of `threads` threads running at once, summed.
pub fn bandwidth(bytes: usize, threads: usize, time: Duration) -> f64 {
    let len = (bytes / (2 * size_of::<f32>())).max(64);
    on_threads(threads, || {
        let (x, mut y) = (vec![1.0_f32; len], vec![1.0_f32; len]);
        // Short passes are repeated: a clock is read in some tens of nanoseconds.
        let repeats = (1_usize << 16).div_ceil(len);
        best(time, || {
            for _ in 0..repeats {
                sweep(black_box(&x), black_box(&mut y));
            }
            (3 * size_of::<f32>() * len * repeats) as f64 / 1e9
        })
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

/// The sum of what every thread measures.
fn on_threads(threads: usize, measure: impl Fn() -> f64 + Sync) -> f64 {
    if threads <= 1 {
        return measure();
    }
    // Held until all are there. The system may give fewer.
    let start = RwLock::new(());
    std::thread::scope(|scope| {
        let run = || {
            drop(start.read());
            measure()
        };
        let hold = start.write();
        let others = (1..threads).map_while(|_| std::thread::Builder::new().spawn_scoped(scope, run).ok());
        let others: Vec<_> = others.collect();
        drop(hold);
        let own = measure();
        own + others.into_iter().map(|handle| handle.join().unwrap_or(0.0)).sum::<f64>()
    })
}

/// Highest amount per second of one run; runs go on for `time`, at least two of them.
fn best(time: Duration, mut run: impl FnMut() -> f64) -> f64 {
    run();
    let start = Instant::now();
    let mut best: f64 = 0.0;
    loop {
        let begin = Instant::now();
        let amount = run();
        best = best.max(amount / begin.elapsed().as_secs_f64().max(1e-9));
        if start.elapsed() >= time {
            return best;
        }
    }
}

/// The loop for a width, chosen by what the processor has; it gives the lanes of its registers.
fn round(width: Width) -> fn() -> usize {
    #[cfg(target_arch = "x86_64")]
    if x86::is_there() {
        return match width {
            Width::Bits128 => x86::round_128,
            Width::Widest => x86::round_256,
        };
    }
    // Elsewhere the compiler's own vectors have 128 bits, where they are the machine's.
    _ = width;
    round_any
}

/// Without knowledge of the machine: twelve rows of 4 lanes, which compilers keep in vectors where `mul_add` is
/// an instruction.
fn round_any() -> usize {
    let (a, b) = (black_box([1.0_f32; 4]), black_box([1e-9_f32; 4]));
    let mut rows = [[0.0_f32; 4]; 12];
    for _ in 0..ROUND / 12 {
        for row in &mut rows {
            for lane in 0..4 {
                row[lane] = a[lane].mul_add(b[lane], row[lane]);
            }
        }
    }
    black_box(rows);
    4
}

/// `y = 0.5 * x + y`.
fn sweep(x: &[f32], y: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if x86::is_there() {
        return x86::sweep(x, y);
    }
    for (y, x) in y.iter_mut().zip(x) {
        *y += 0.5 * x;
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::ROUND;
    use pulp::x86::V3;
    use pulp::{NullaryFnOnce, Simd};
    use std::hint::black_box;

    /// Independent accumulators: more than latency times units (4 x 2), and they fit into 16 registers with both
    /// factors.
    const CHAINS: usize = 12;

    /// Whether the processor has the instructions of this module.
    pub(super) fn is_there() -> bool {
        V3::try_new().is_some()
    }

    fn vectorized<R>(loops: impl FnOnce(V3) -> R) -> R {
        let simd = V3::try_new().expect("asked for where the processor has AVX2 and FMA");
        Simd::vectorize(simd, WithV3(simd, loops))
    }

    /// What is compiled for AVX2 and FMA.
    struct WithV3<F>(V3, F);

    impl<R, F: FnOnce(V3) -> R> NullaryFnOnce for WithV3<F> {
        type Output = R;

        #[inline(always)]
        fn call(self) -> R {
            (self.1)(self.0)
        }
    }

    macro_rules! round {
        ($name:ident, $splat:ident, $mul_add:ident, $lanes:literal) => {
            pub(super) fn $name() -> usize {
                vectorized(
                    #[inline(always)]
                    |simd| {
                        let (a, b) = (black_box(simd.$splat(1.0)), black_box(simd.$splat(1e-9)));
                        let mut sums = [simd.$splat(0.0); CHAINS];
                        for _ in 0..ROUND / CHAINS {
                            for sum in &mut sums {
                                *sum = simd.$mul_add(a, b, *sum);
                            }
                        }
                        black_box(sums);
                        $lanes
                    },
                )
            }
        };
    }

    round!(round_128, splat_f32x4, mul_add_f32x4, 4);
    round!(round_256, splat_f32x8, mul_add_f32x8, 8);

    /// Vectorised by the compiler, with the registers it may use here.
    pub(super) fn sweep(x: &[f32], y: &mut [f32]) {
        vectorized(
            #[inline(always)]
            |_| {
                for (y, x) in y.iter_mut().zip(x) {
                    *y = x.mul_add(0.5, *y);
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(2);

    #[test]
    fn speeds_are_those_of_a_machine() {
        for width in [Width::Bits128, Width::Widest] {
            for threads in [1, 2] {
                let speed = multiply_adds(width, threads, SHORT);
                // From a software `fma` in an unoptimised build to many times today's fastest core.
                assert!(speed > 1e-3 && speed < 1e4, "{width:?} {threads}: {speed}");
            }
        }
        let speed = bandwidth(1 << 16, 2, SHORT);
        assert!(speed > 1e-3 && speed < 1e5, "{speed}");
    }

    #[test]
    fn every_loop_counts_its_lanes() {
        assert_eq!(round_any(), 4);
        assert_eq!(round(Width::Bits128)(), 4);
        assert!([4, 8].contains(&round(Width::Widest)()));
    }

    #[test]
    fn a_sweep_is_a_scaled_sum() {
        let (x, mut y) = ([2.0; 19], [1.0; 19]);
        sweep(&x, &mut y);
        assert_eq!(y, [2.0; 19]);
    }
}
