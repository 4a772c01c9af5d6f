//! How fast the vector units of this machine multiply and add.
//!
//! What a processor has says little about what is fast: with 512-bit vectors some do twice as many multiply-adds a
//! second as with 256-bit ones; others, which have one port for them or run them in halves, do as many. So it is
//! measured. The loops here do nothing but keep a unit busy; the best of many short runs counts, since other work on
//! the machine makes them slower and nothing makes them faster.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A vector unit of this machine, with a loop of multiply-adds on its registers.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// `f32` words of a register.
    pub lanes: usize,
    run: fn(usize),
}

/// Multiply-adds of one turn of a loop, each of its own chain: more than latency times ports (4 x 2), and they fit into
/// 16 registers with both factors.
const CHAINS: usize = 12;

impl Unit {
    /// Bits of a register.
    pub fn bits(self) -> usize {
        32 * self.lanes
    }

    /// Runs about `n` vector multiply-adds; gives the operations of all lanes, 2 for each.
    pub fn multiply_adds(self, n: usize) -> usize {
        let turns = n.div_ceil(CHAINS);
        (self.run)(turns);
        2 * CHAINS * turns * self.lanes
    }
}

/// The vector units of this machine, the narrowest first; there is one at least.
pub fn units() -> Vec<Unit> {
    #[cfg(target_arch = "x86_64")]
    let units = x86::units();
    // Elsewhere the compiler's own vectors have 128 bits, where they are the machine's.
    #[cfg(not(target_arch = "x86_64"))]
    let units = Vec::new();
    if units.is_empty() { vec![Unit { lanes: 4, run: run_any }] } else { units }
}

/// Lanes of the registers that contractions should use: the most this machine has, but 512-bit ones only if they are
/// measurably faster than 256-bit ones. One thread measures, for a quarter of a millisecond, once in a process.
pub fn fastest_lanes() -> usize {
    static LANES: OnceLock<usize> = OnceLock::new();
    *LANES.get_or_init(|| {
        let units = units();
        match units[..] {
            [.., narrow, wide] if wide.lanes > 8 && gain(narrow, wide) < LEAST_GAIN => narrow.lanes,
            [.., widest] => widest.lanes,
            [] => unreachable!("there is one at least"),
        }
    })
}

/// How many times as fast 512-bit multiply-adds must be. Measured ratios are near 1 or near 2; wide registers cost
/// clock and warm-up.
const LEAST_GAIN: f64 = 1.15;

/// How many times as fast the multiply-adds of a wide unit are as those of a narrow one.
///
/// A unit that was idle is slow at first, for some ten microseconds, until its voltage and clock are settled. So each
/// turn begins with a warm-up; and the units take turns, so that a machine that changes its clock meanwhile favours
/// neither.
fn gain(narrow: Unit, wide: Unit) -> f64 {
    const WARM_UP: Duration = Duration::from_micros(20);
    /// Multiply-adds of a run: about five microseconds.
    const RUN: usize = 24_000;
    let mut best = [0.0_f64; 2];
    for _ in 0..3 {
        for (unit, best) in [narrow, wide].into_iter().zip(&mut best) {
            let begin = Instant::now();
            while begin.elapsed() < WARM_UP {
                unit.multiply_adds(RUN / 12);
            }
            for _ in 0..4 {
                let begin = Instant::now();
                let n = unit.multiply_adds(RUN);
                *best = best.max(n as f64 / begin.elapsed().as_secs_f64().max(1e-9));
            }
        }
    }
    best[1] / best[0]
}

/// Without knowledge of the machine: rows of 4 lanes, which compilers keep in vectors where `mul_add` is an
/// instruction.
fn run_any(turns: usize) {
    let (a, b) = (black_box([1.0_f32; 4]), black_box([1e-9_f32; 4]));
    let mut rows = [[0.0_f32; 4]; CHAINS];
    for _ in 0..turns {
        for row in &mut rows {
            for lane in 0..4 {
                row[lane] = a[lane].mul_add(b[lane], row[lane]);
            }
        }
    }
    black_box(rows);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{CHAINS, Unit};
    use pulp::NullaryFnOnce;
    use pulp::x86::{V3, V4};
    use std::hint::black_box;

    /// None if there is not even AVX2.
    pub(super) fn units() -> Vec<Unit> {
        let mut units = Vec::new();
        if V3::try_new().is_some() {
            units.extend([Unit { lanes: 4, run: run_128 }, Unit { lanes: 8, run: run_256 }]);
        }
        if V4::try_new().is_some() {
            units.push(Unit { lanes: 16, run: run_512 });
        }
        units
    }

    /// What is compiled for an instruction set.
    struct For<S, F>(S, F);

    impl<S, R, F: FnOnce(S) -> R> NullaryFnOnce for For<S, F> {
        type Output = R;

        #[inline(always)]
        fn call(self) -> R {
            (self.1)(self.0)
        }
    }

    macro_rules! run {
        ($name:ident, $set:ident, $splat:ident, $mul_add:ident) => {
            fn $name(turns: usize) {
                let simd = $set::try_new().expect("a unit that this machine has");
                simd.vectorize(For(
                    simd,
                    #[inline(always)]
                    |simd: $set| {
                        let (a, b) = (black_box(simd.$splat(1.0)), black_box(simd.$splat(1e-9)));
                        let mut sums = [simd.$splat(0.0); CHAINS];
                        for _ in 0..turns {
                            for sum in &mut sums {
                                *sum = simd.$mul_add(a, b, *sum);
                            }
                        }
                        black_box(sums);
                    },
                ));
            }
        };
    }

    run!(run_128, V3, splat_f32x4, mul_add_f32x4);
    run!(run_256, V3, splat_f32x8, mul_add_f32x8);
    run!(run_512, V4, splat_f32x16, mul_add_f32x16);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_the_machines_own() {
        let lanes: Vec<usize> = units().iter().map(|unit| unit.lanes).collect();
        assert!([&[4][..], &[4, 8], &[4, 8, 16]].contains(&lanes.as_slice()), "{lanes:?}");
        #[cfg(target_arch = "x86_64")]
        assert_eq!(lanes.contains(&16), is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl"));
        assert_eq!(units()[0].bits(), 128);
    }

    #[test]
    fn operations_are_two_for_every_lane() {
        for unit in units().into_iter().chain([Unit { lanes: 4, run: run_any }]) {
            assert_eq!(unit.multiply_adds(120), 2 * 120 * unit.lanes);
            assert_eq!(unit.multiply_adds(121), 2 * 132 * unit.lanes, "whole turns");
        }
    }

    /// The same loop, said to do twice as much: a gain of about 2, which no busy machine brings below what is asked
    /// for.
    #[test]
    fn a_gain_is_a_ratio_of_speeds() {
        let unit = units()[0];
        let doubled = Unit { lanes: 2 * unit.lanes, ..unit };
        let (more, less) = (gain(unit, doubled), gain(doubled, unit));
        assert!(more > LEAST_GAIN && less < LEAST_GAIN, "{more} {less}");
    }

    #[test]
    fn contractions_use_registers_that_there_are() {
        let lanes = fastest_lanes();
        assert!(units().iter().any(|unit| unit.lanes == lanes));
        assert_eq!(fastest_lanes(), lanes);
        assert!(lanes >= units().iter().map(|unit| unit.lanes).max().unwrap().min(8));
    }
}
