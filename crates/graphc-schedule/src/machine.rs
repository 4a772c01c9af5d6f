//! The machine that a program is scheduled for: every number about hardware stands here.
//!
//! Nothing here changes a result: what fixes the order of arithmetic (lanes, chunks, groups) is no property of a
//! machine and stands in `decide/summation.rs`. Prefetch distances and latencies were measured on Zen 3, Zen 4 and
//! Emerald Rapids (`docs/performance.md`).

use graphc_ir::scalar::LANES;
use graphc_ir::types::WORD_BYTES;
use std::fs;

/// The vector registers that register tiles are cut for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VectorUnit {
    /// Number of vector registers.
    pub n_registers: usize,
    /// `f32` lanes of each.
    pub lanes: usize,
    /// Whether tiles are assembled: with multiply-adds that keep both factors and broadcasts
    /// from memory. Else every multiply-add copies a register and a splat is two instructions.
    pub assembled: bool,
}

/// The caches of one core, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caches {
    /// The nearest cache for data.
    pub l1_bytes: usize,
    /// The core's own cache behind it.
    pub l2_bytes: usize,
}

/// What a program is scheduled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hardware {
    /// Its vector registers.
    pub vectors: VectorUnit,
    /// Its caches.
    pub caches: Caches,
    /// Who runs a step together.
    pub threads: Threads,
}

/// Threads that run a step together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads {
    /// How many, at least 1.
    pub n: usize,
    /// Cycles that they lose between two phases: a line goes from each to the caller, and another one back, and
    /// nobody begins at the same time as the others.
    pub barrier_cycles: usize,
}

/// Words of a cache line.
pub(crate) const LINE_WORDS: usize = 16;

/// Words of a page, in which the processor sees by itself what comes next.
pub(crate) const PAGE_WORDS: i64 = 1 << 10;

/// How far ahead words are asked for, and how many at once.
pub(crate) mod ahead {
    /// Steps of the outer loop that a sweep looks ahead.
    pub(crate) const SWEEP_STEPS: i64 = 6;

    /// Rows that a sum over rows looks ahead: what one line of each takes to come from beyond a core's own cache.
    pub(crate) const ROWS: i64 = 24;

    /// Chunks of splats that it looks ahead.
    pub(crate) const SPLAT_CHUNKS: i64 = 8;

    /// Rows ahead of which the places of a copy are fetched: each of its blocks is a stream of its own.
    pub(crate) const COPIED_ROWS: usize = 16;

    /// Rows of a copy's source that are asked for ahead of time, where only a part of each is copied.
    pub(crate) const SOURCE_ROWS: i64 = 12;

    /// Lines that one tile asks for at most.
    pub(crate) const MOST_LINES: usize = 64;
}

/// Cycles from one multiply-add of a chain to the next: 4 on Zen and Skylake, and what scheduling loses (measured:
/// tiles of 8 accumulators reach 93% of the peak).
pub(crate) const LATENCY: f64 = 4.4;

/// Cycles that a step loses whatever its size (measured: 10 accumulators reach 95% of the peak, 12 reach 99%).
pub(crate) const OVERHEAD: f64 = 0.25;

/// Multiply-adds and vector loads started per cycle.
pub(crate) const PORTS: f64 = 2.0;

/// Cycles that a tile takes besides its steps: its call, addresses and counts.
pub(crate) const CALL: f64 = 20.0;

/// Cycles that it takes a thread to get its next task.
pub(crate) const TASK: f64 = 300.0;

/// Cycles that it takes to load an accumulator and to store it again.
pub(crate) const WAIT: f64 = 1.5;

/// Cycles that a line takes to come from memory when others come too.
pub(crate) const MEMORY_LATENCY: f64 = 1000.0;

/// Cycles for a word of a stream to or from memory: seven bytes a cycle.
pub(crate) const WORD_FROM_MEMORY: f64 = 0.55;

/// Loads that 8 lanes from beyond the nearest cache take the place of, besides their own: 32 bytes a cycle at best.
pub(crate) const FAR_WAITS: usize = 2;

/// The same for 8 lanes that come from a core's own cache while arithmetic has 16 lanes a register: a line in two
/// cycles. (With 8 lanes a register they come in time.)
pub(crate) const PASSING_WAITS: usize = 1;

/// Instructions per cycle that the front end keeps up in practice.
pub(crate) const ISSUE: f64 = 5.0;

/// Cycles for a line that another core has written or that is in the cache of all, one after the other: about six
/// bytes a cycle.
pub(crate) const LINE_FROM_ANOTHER_CORE: f64 = 10.0;

/// Cycles that a further task of a thread takes besides its work: it is claimed, its function called, its loops begin,
/// and nothing that it touches has been asked for yet. A rough number, which keeps tasks longer than some microseconds.
pub(crate) const FURTHER_TASK: f64 = 3000.0;

/// The part of a task that threads wait for the last of them, for every doubling of the threads.
const WAIT_OF_DOUBLING: f64 = 0.1;

/// Lines that the nearest cache holds of each set.
const WAYS: usize = 8;

impl Caches {
    /// What is assumed where the system does not tell: 32 KiB and 1 MiB.
    pub const USUAL: Caches = Caches { l1_bytes: 32 << 10, l2_bytes: 1 << 20 };

    /// Those of the first core of this machine, as Linux describes them; [`Caches::USUAL`] where it does not.
    pub fn of_host() -> Caches {
        Caches::in_folder("/sys/devices/system/cpu/cpu0/cache")
    }

    fn in_folder(folder: &str) -> Caches {
        let mut caches = Caches::USUAL;
        for number in 0..8 {
            let field = |name: &str| fs::read_to_string(format!("{folder}/index{number}/{name}")).unwrap_or_default();
            let Some(bytes) = parse_size(field("size").trim()) else { continue };
            match (field("level").trim(), field("type").trim()) {
                ("1", "Data" | "Unified") => caches.l1_bytes = bytes,
                ("2", "Data" | "Unified") => caches.l2_bytes = bytes,
                _ => {}
            }
        }
        caches
    }
}

impl Threads {
    /// So many threads with cores of their own. (Measured on Emerald Rapids: 0.67 microseconds a barrier with two
    /// threads, 0.9 with 4, 1.03 with 8, 1.3 with 16.)
    pub const fn of(n: usize) -> Threads {
        Threads { n, barrier_cycles: 1250 + 560 * n.ilog2() as usize }
    }

    /// The part of a task that so many threads, each of which takes one task after the other, wait for the last of
    /// them. (Measured on 16 cores of a rented Xeon with 16 equal tasks: the slowest takes 1.4 times the mean.)
    pub(crate) fn wait(n: usize) -> f64 {
        WAIT_OF_DOUBLING * (n.max(1) as f64).log2()
    }
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// `32K`, `1M` in bytes.
fn parse_size(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(['K', 'M']);
    let unit = match text.strip_prefix(digits)? {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        _ => return None,
    };
    digits.parse::<usize>().ok().filter(|&n| n > 0)?.checked_mul(unit)
}

impl VectorUnit {
    /// 16 registers of 8 lanes and assembled tiles: x86-64 with AVX2 and FMA.
    pub const AVX2: VectorUnit = VectorUnit { n_registers: 16, lanes: 8, assembled: true };

    /// 32 registers of 16 lanes and assembled tiles: x86-64 with AVX-512.
    pub const AVX512: VectorUnit = VectorUnit { n_registers: 32, lanes: 16, assembled: true };

    /// Registers that one 8-lane value takes, at least one.
    pub(crate) fn per_value(self) -> usize {
        LANES.div_ceil(self.lanes)
    }

    /// The same as a share, if several values fill one.
    pub(crate) fn registers_per_value(self) -> f64 {
        LANES as f64 / self.lanes as f64
    }

    /// Whether one holds two 8-lane values.
    pub(crate) fn holds_two(self) -> bool {
        self.lanes > LANES
    }

    /// 8-lane accumulators that leave enough registers for the factors: 12 of 16 registers, 28 of 32, or (measured) 10
    /// of 16 if copies need some.
    pub(crate) fn most_cells(self) -> usize {
        let for_factors = if self.assembled { 4 } else { self.n_registers * 3 / 8 };
        (self.n_registers.saturating_sub(for_factors) * self.lanes / LANES).max(1)
    }
}

impl Hardware {
    /// The machine that dumps and golden texts are made for, whatever they are made on: AVX2, the usual caches, one
    /// thread.
    pub const REFERENCE: Hardware =
        Hardware { vectors: VectorUnit::AVX2, caches: Caches::USUAL, threads: Threads::of(1) };

    /// Words that stay in the nearest cache beside what else passes through it: seven eighths.
    pub(crate) fn nearest_words(self) -> usize {
        self.caches.l1_bytes / WORD_BYTES / 8 * 7
    }

    /// Words of splats that stay in the nearest cache beside the vectors that a tile takes in: half of it.
    pub(crate) fn nearest_half_words(self) -> usize {
        self.caches.l1_bytes / WORD_BYTES / 2
    }

    /// Whether `n` lines, each so many words from the one before, stay in the nearest cache beside as many others: a
    /// distance of a power of two maps them to few of its sets.
    pub(crate) fn stay_apart(self, n: usize, distance: i64) -> bool {
        let words_per_way = (self.caches.l1_bytes / WORD_BYTES / WAYS).max(LINE_WORDS);
        let apart = common_divisor(distance.unsigned_abs() as usize, words_per_way).max(LINE_WORDS);
        distance == 0 || n * 2 <= words_per_way / apart * WAYS
    }

    /// Words that stay in a core's own cache while they are read again and again: half of it.
    pub(crate) fn near_words(self) -> usize {
        self.caches.l2_bytes / WORD_BYTES / 2
    }

    /// Words of a buffer that is far away even if nothing else is used: all of a core's own cache.
    pub(crate) fn far_words(self) -> usize {
        self.caches.l2_bytes / WORD_BYTES
    }

    /// Words that are few beside a core's own cache: an eighth.
    pub(crate) fn few_words(self) -> usize {
        self.caches.l2_bytes / WORD_BYTES / 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_linux_writes_them() {
        assert_eq!(parse_size("48K"), Some(48 << 10));
        assert_eq!(parse_size("2M"), Some(2 << 20));
        assert_eq!(parse_size("512"), Some(512));
        assert_eq!(["", "K", "0K", "12KB", "x"].map(parse_size), [None; 5]);
    }

    #[test]
    fn a_machine_that_does_not_tell_has_the_usual_caches() {
        assert_eq!(Caches::in_folder("/nowhere"), Caches::USUAL);
        let caches = Caches::of_host();
        assert!(caches.l1_bytes >= 4 << 10 && caches.l2_bytes >= caches.l1_bytes, "{caches:?}");
    }

    #[test]
    fn lines_a_power_of_two_apart_push_each_other_out() {
        let machine = Hardware::REFERENCE;
        let stays = [0, 192, 256, 512, 1024].map(|words| machine.stay_apart(12, words));
        assert_eq!(stays, [true, true, true, false, false]);
        assert!(machine.stay_apart(4, 1024) && machine.stay_apart(12, 1040));
        // There is room for 512 lines in all.
        assert_eq!([256, 257].map(|n| machine.stay_apart(n, 17)), [true, false]);
    }

    #[test]
    fn shares_of_the_usual_caches() {
        let machine = Hardware::REFERENCE;
        assert_eq!([machine.nearest_words(), machine.nearest_half_words()], [7 << 10, 1 << 12]);
        assert_eq!([machine.near_words(), machine.far_words(), machine.few_words()], [1 << 17, 1 << 18, 1 << 15]);
    }
}
