//! Straight-line vector code, as the body of a loop or once: sweeps with vectors that Cranelift lacks.
//!
//! A [`StraightLine`] says what one iteration does in terms of pointers that advance by constant strides, vectors
//! that do not change during the loop, and accumulators that do. Where an index is loaded, pointers are computed in
//! every iteration. Every step is one operation of the loop IR in all
//! eight lanes, IEEE or on integers, in the order of the program; only registers and instructions are chosen by those
//! who assemble it.

use graphc_ir::scalar::{BinaryOp, CmpOp, UnaryOp};
use std::fmt;

/// Bytes of a cache line.
pub(crate) const LINE_BYTES: i32 = 64;

/// Bytes of a pointer in the table.
const POINTER_BYTES: i32 = 8;

/// Bytes of a vector.
pub(crate) const VECTOR_BYTES: i32 = 32;

/// A function `fn(table: *mut u8, count: i64)` in the System V convention. The table holds the pointers, the constant
/// vectors, and the accumulators, which it leaves there, and has room for what registers do not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct StraightLine {
    /// Bytes from one iteration to the next for every pointer; what an integer that stands for one grows by.
    pub(crate) strides: Vec<i32>,
    /// Loops within the one that is counted by the caller, outermost first; the steps are those of the innermost.
    pub(crate) inner: Vec<InnerLoop>,
    /// Number of constant vectors.
    pub(crate) n_constants: usize,
    /// Number of accumulators.
    pub(crate) n_accs: usize,
    /// Where each pointer points. Empty for a unit that keeps the order of steps.
    pub(crate) regions: Vec<Region>,
    /// What an iteration does, in order.
    pub(crate) steps: Vec<Step>,
}

/// What is known of where a pointer points, throughout the loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Region {
    /// Pointers with other numbers never reach the same words.
    pub(crate) number: usize,
    /// A pointer from which it stays so many bytes away.
    pub(crate) from: usize,
    pub(crate) bytes: i64,
}

/// A loop of constant length within a straight-line loop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct InnerLoop {
    /// Iterations, at least one.
    pub(crate) count: i32,
    /// Bytes from one iteration to the next for every pointer.
    pub(crate) strides: Vec<i32>,
}

/// Where an operand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// The result of the step of that number.
    Step(usize),
    /// The constant vector of that number.
    Constant(usize),
    /// The accumulator of that number, as it is at this step.
    Acc(usize),
}

/// A place in memory: bytes from what a pointer points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Spot {
    pub(crate) pointer: usize,
    pub(crate) offset: i32,
}

/// One operation in all lanes.
///
/// In code for registers of sixteen lanes ([`pairs`](super::pairs)) a value is a pair of two of these vectors, the low
/// and the high one. What has no second vector is the same twice, or has anything in the high one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// Eight words, or one word in every lane.
    Load { pointer: usize, offset: i32, is_splat: bool },
    /// A word for every lane, so many words behind the place as an integer says; negative ones are ahead of it.
    Gather { pointer: usize, offset: i32, index: Source },
    /// An integer instead of pointer `to`: the one there, or the nearest that is neither negative nor greater than what
    /// a constant vector has in its lanes. The vector `zero` has zeros.
    LoadIndex { pointer: usize, offset: i32, zero: usize, most: usize, to: usize },
    /// Pointer `to` is another one, moved by so many bytes as often as a loaded integer says.
    Point { from: usize, index: usize, bytes: i32, to: usize },
    /// The integer that stands for a pointer, in all lanes.
    Integer { pointer: usize },
    /// The same, in a register.
    Copy(Source),
    /// Two operands: floating point, or a sum, difference or product of integers that wraps.
    Binary(BinaryOp, Source, Source),
    /// The bits of an integer, moved by so many places to the left or right.
    Shift { op: BinaryOp, by: u8, value: Source },
    /// The smaller of two integers, or the greater.
    Nearest { is_smaller: bool, a: Source, b: Source },
    /// The nearest floating-point number of an integer.
    ToF32(Source),
    /// Square root.
    Sqrt(Source),
    /// An integer next to a floating-point number.
    Round { op: UnaryOp, value: Source },
    /// `a * b + c`, rounded once.
    Fma(Source, Source, Source),
    /// All bits where the comparison of floating-point numbers holds.
    Compare(CmpOp, Source, Source),
    /// All bits where the first integer is greater, or both are the same.
    CompareIntegers { is_greater: bool, a: Source, b: Source },
    /// `mask ? a : b`.
    Blend { mask: Source, a: Source, b: Source },
    /// Bits of both.
    And(Source, Source),
    /// Bits of the second where the first has none.
    AndNot(Source, Source),
    /// Bits of one of them.
    Xor(Source, Source),
    /// Each lane from the one at that distance, which is a power of two: lanes `i` and `i ^ distance` are swapped.
    Swap { distance: u8, value: Source },
    /// Eight words.
    Store { pointer: usize, offset: i32, value: Source },
    /// The word that all lanes have.
    StoreOne { pointer: usize, offset: i32, value: Source },
    /// Asks for the cache line there.
    Fetch { pointer: usize, offset: i32 },
    /// A pair of loads.
    LoadPair { low: Spot, high: Spot, is_splat: bool },
    /// Sixteen words, gathered by a pair of vectors.
    GatherPair { pointer: usize, offset: i32, index: Source },
    /// A pair of stores, the low one first.
    StorePair { low: Spot, high: Spot, value: Source },
    /// A pair of vectors, each of them the low or the high one (`are_high`) of another pair.
    Join { low: Source, high: Source, are_high: [bool; 2] },
    /// A new value of an accumulator.
    Set { acc: usize, value: Source },
}

impl Step {
    /// What it reads.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let mut sources = Vec::with_capacity(3);
        self.with_sources(&mut |source, _| {
            sources.push(source);
            source
        });
        sources
    }

    /// The step with other sources: each as a function of what it is and its number among [`Self::sources`].
    pub(crate) fn with_sources(mut self, to: &mut impl FnMut(Source, usize) -> Source) -> Step {
        match &mut self {
            Step::Load { .. }
            | Step::LoadPair { .. }
            | Step::Fetch { .. }
            | Step::LoadIndex { .. }
            | Step::Integer { .. }
            | Step::Point { .. } => {}
            Step::Sqrt(a)
            | Step::Copy(a)
            | Step::Gather { index: a, .. }
            | Step::GatherPair { index: a, .. }
            | Step::ToF32(a)
            | Step::Shift { value: a, .. }
            | Step::Round { value: a, .. }
            | Step::Swap { value: a, .. }
            | Step::Store { value: a, .. }
            | Step::StoreOne { value: a, .. }
            | Step::StorePair { value: a, .. }
            | Step::Set { value: a, .. } => *a = to(*a, 0),
            Step::Binary(_, a, b)
            | Step::Join { low: a, high: b, .. }
            | Step::Compare(_, a, b)
            | Step::CompareIntegers { a, b, .. }
            | Step::Nearest { a, b, .. }
            | Step::And(a, b)
            | Step::AndNot(a, b)
            | Step::Xor(a, b) => {
                *a = to(*a, 0);
                *b = to(*b, 1);
            }
            Step::Fma(a, b, c) | Step::Blend { mask: a, a: b, b: c } => {
                *a = to(*a, 0);
                *b = to(*b, 1);
                *c = to(*c, 2);
            }
        }
        self
    }

    /// The step with other constant vectors.
    pub(crate) fn with_constants(self, to: &mut impl FnMut(usize) -> usize) -> Step {
        let mut step = self.with_sources(&mut |source, _| match source {
            Source::Constant(number) => Source::Constant(to(number)),
            source => source,
        });
        if let Step::LoadIndex { zero, most, .. } = &mut step {
            [zero, most].into_iter().for_each(|number| *number = to(*number));
        }
        step
    }

    /// Whether its two operands may change places. Which bits a NaN has may depend on that; no result does.
    pub(crate) fn is_commutative(&self) -> bool {
        match self {
            Step::Binary(BinaryOp::Add | BinaryOp::Mul | BinaryOp::IAdd | BinaryOp::IMul, ..) => true,
            Step::And(..) | Step::Xor(..) | Step::Nearest { .. } => true,
            Step::CompareIntegers { is_greater, .. } => !is_greater,
            _ => false,
        }
    }

    /// The pointers that it reads or writes through, or computes.
    pub(crate) fn pointers(&self) -> Vec<usize> {
        match *self {
            Step::Load { pointer, .. }
            | Step::Gather { pointer, .. }
            | Step::GatherPair { pointer, .. }
            | Step::Store { pointer, .. }
            | Step::StoreOne { pointer, .. }
            | Step::Integer { pointer }
            | Step::Fetch { pointer, .. } => vec![pointer],
            Step::LoadPair { low, high, .. } | Step::StorePair { low, high, .. } => vec![low.pointer, high.pointer],
            Step::LoadIndex { pointer, to, .. } => vec![pointer, to],
            Step::Point { from, index, to, .. } => vec![from, index, to],
            _ => Vec::new(),
        }
    }

    /// Whether it leaves something behind the iteration.
    pub(crate) fn has_effect(&self) -> bool {
        self.stores() || matches!(self, Step::Fetch { .. } | Step::Set { .. })
    }

    /// Whether it writes to memory.
    pub(crate) fn stores(&self) -> bool {
        matches!(self, Step::Store { .. } | Step::StoreOne { .. } | Step::StorePair { .. })
    }

    /// Whether its result is a bit for every lane.
    pub(crate) fn compares(&self) -> bool {
        matches!(self, Step::Compare(..) | Step::CompareIntegers { .. })
    }

    /// Whether it has a result.
    pub(crate) fn has_result(&self) -> bool {
        !self.has_effect() && !matches!(self, Step::LoadIndex { .. } | Step::Point { .. })
    }
}

impl StraightLine {
    /// Asks for so many lines from each pointer on, in one iteration.
    pub(crate) fn fetch(n_lines: impl Iterator<Item = usize>) -> StraightLine {
        let lines = |(pointer, n_lines): (usize, usize)| {
            (0..n_lines as i32).map(move |line| Step::Fetch { pointer, offset: line * LINE_BYTES })
        };
        let n_lines: Vec<usize> = n_lines.collect();
        let steps = n_lines.iter().copied().enumerate().flat_map(lines).collect();
        StraightLine { strides: vec![0; n_lines.len()], steps, ..StraightLine::default() }
    }

    /// Bytes that a pointer moves behind an iteration of the loop that `level` others stand around: what the loop
    /// within has moved it by is taken back.
    pub(crate) fn advance(&self, level: usize, pointer: usize) -> i32 {
        let strides = |level: usize| match level {
            0 => &self.strides,
            _ => &self.inner[level - 1].strides,
        };
        let moved = self.inner.get(level).map_or(0, |inner| inner.count * inner.strides[pointer]);
        strides(level)[pointer] - moved
    }

    /// What stands where in the table, if it has room for `n_slots` vectors beside.
    pub(crate) fn table(&self, n_slots: usize) -> Table {
        let (n_pointers, n_constants, n_accs) = (self.strides.len(), self.n_constants, self.n_accs);
        Table { n_pointers, n_constants, n_accs, n_slots, slots_are_pairs: false }
    }
}

/// The table of straight-line code: pointers, constant vectors, accumulators, slots for other vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) n_pointers: usize,
    pub(crate) n_constants: usize,
    pub(crate) n_accs: usize,
    pub(crate) n_slots: usize,
    /// Whether a slot has room for two vectors.
    pub(crate) slots_are_pairs: bool,
}

impl Table {
    /// Its length.
    pub(crate) fn bytes(self) -> i32 {
        self.slot_offset(self.n_slots)
    }

    /// Where a pointer stands.
    pub(crate) fn pointer_offset(self, number: usize) -> i32 {
        number as i32 * POINTER_BYTES
    }

    /// Where a constant vector stands.
    pub(crate) fn constant_offset(self, number: usize) -> i32 {
        let first = self.pointer_offset(self.n_pointers) as u32;
        first.next_multiple_of(VECTOR_BYTES as u32) as i32 + number as i32 * VECTOR_BYTES
    }

    /// Where an accumulator stands.
    pub(crate) fn acc_offset(self, number: usize) -> i32 {
        self.constant_offset(self.n_constants + number)
    }

    /// Where a slot stands.
    pub(crate) fn slot_offset(self, number: usize) -> i32 {
        let slot_bytes = if self.slots_are_pairs { 2 * VECTOR_BYTES } else { VECTOR_BYTES };
        self.acc_offset(self.n_accs) + number as i32 * slot_bytes
    }
}

impl fmt::Display for StraightLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (constants, accs) = (self.n_constants, self.n_accs);
        writeln!(f, "loop with {constants} constants, {accs} accumulators, strides {:?}", self.strides)?;
        for InnerLoop { count, strides } in &self.inner {
            writeln!(f, "  within: {count} iterations, strides {strides:?}")?;
        }
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {number}: {step:?}")?;
        }
        Ok(())
    }
}
