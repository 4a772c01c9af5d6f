//! Straight-line vector code, as the body of a loop or once: sweeps with vectors that Cranelift lacks.
//!
//! A [`StraightLine`] says what one iteration does in terms of pointers that advance by constant strides, vectors
//! that do not change during the loop, and accumulators that do. Where an index is loaded, pointers are computed in
//! every iteration. Every step is one operation of the loop IR in all
//! eight lanes, IEEE or on integers, in the order of the program; only registers and instructions are chosen by those
//! who assemble it.

use graphc_ir::scalar::{BinaryOp, CmpOp};
use std::fmt;

/// Bytes of a cache line.
pub(crate) const LINE_BYTES: i32 = 64;

/// Bytes of a pointer in the table.
const POINTER_BYTES: i32 = 8;

/// Bytes of a vector in the table.
const VECTOR_BYTES: i32 = 32;

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
    /// What an iteration does, in order.
    pub(crate) steps: Vec<Step>,
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

/// One operation in all lanes.
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
    /// A new value of an accumulator.
    Set { acc: usize, value: Source },
}

/// At most eight words of memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    pub(crate) pointer: usize,
    /// Bytes from what the pointer points to; none if that is not known.
    offset: Option<i32>,
}

impl Words {
    /// Whether both are known to have none in common.
    pub(crate) fn is_apart_from(self, other: Words) -> bool {
        let distance = self.offset.zip(other.offset).map(|(a, b)| (i64::from(a) - i64::from(b)).abs());
        self.pointer == other.pointer && distance.is_some_and(|distance| distance >= i64::from(VECTOR_BYTES))
    }
}

impl Step {
    /// What it reads.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let (mut step, mut sources) = (*self, Vec::with_capacity(3));
        step.for_each_source(&mut |source| sources.push(*source));
        sources
    }

    /// Calls `f` with every constant vector that it reads.
    pub(crate) fn for_each_constant(&mut self, f: &mut impl FnMut(&mut usize)) {
        if let Step::LoadIndex { zero, most, .. } = self {
            [zero, most].into_iter().for_each(&mut *f);
        }
        self.for_each_source(&mut |source| {
            if let Source::Constant(number) = source {
                f(number);
            }
        });
    }

    /// Calls `f` with everything that it reads.
    pub(crate) fn for_each_source(&mut self, f: &mut impl FnMut(&mut Source)) {
        match self {
            Step::Load { .. }
            | Step::Fetch { .. }
            | Step::LoadIndex { .. }
            | Step::Integer { .. }
            | Step::Point { .. } => {}
            Step::Sqrt(a)
            | Step::Copy(a)
            | Step::Gather { index: a, .. }
            | Step::ToF32(a)
            | Step::Shift { value: a, .. }
            | Step::Swap { value: a, .. }
            | Step::Store { value: a, .. }
            | Step::StoreOne { value: a, .. }
            | Step::Set { value: a, .. } => f(a),
            Step::Binary(_, a, b)
            | Step::Compare(_, a, b)
            | Step::CompareIntegers { a, b, .. }
            | Step::Nearest { a, b, .. }
            | Step::And(a, b)
            | Step::AndNot(a, b)
            | Step::Xor(a, b) => [a, b].into_iter().for_each(f),
            Step::Fma(a, b, c) | Step::Blend { mask: a, a: b, b: c } => [a, b, c].into_iter().for_each(f),
        }
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
            | Step::Store { pointer, .. }
            | Step::StoreOne { pointer, .. }
            | Step::Integer { pointer }
            | Step::Fetch { pointer, .. } => vec![pointer],
            Step::LoadIndex { pointer, to, .. } => vec![pointer, to],
            Step::Point { from, index, to, .. } => vec![from, index, to],
            _ => Vec::new(),
        }
    }

    /// The words that it reads or writes, and whether it writes them; none of a hint.
    pub(crate) fn words(&self) -> Option<(Words, bool)> {
        match *self {
            Step::Load { pointer, offset, .. } => Some((Words { pointer, offset: Some(offset) }, false)),
            Step::Gather { pointer, .. } | Step::LoadIndex { pointer, .. } => {
                Some((Words { pointer, offset: None }, false))
            }
            Step::Store { pointer, offset, .. } | Step::StoreOne { pointer, offset, .. } => {
                Some((Words { pointer, offset: Some(offset) }, true))
            }
            _ => None,
        }
    }

    /// Whether it leaves something behind the iteration.
    pub(crate) fn has_effect(&self) -> bool {
        matches!(self, Step::Store { .. } | Step::StoreOne { .. } | Step::Fetch { .. } | Step::Set { .. })
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
        StraightLine { strides: vec![0; n_lines.len()], inner: Vec::new(), n_constants: 0, n_accs: 0, steps }
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
        Table { n_pointers: self.strides.len(), n_constants: self.n_constants, n_accs: self.n_accs, n_slots }
    }
}

/// The table of straight-line code: pointers, constant vectors, accumulators, slots for other vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) n_pointers: usize,
    pub(crate) n_constants: usize,
    pub(crate) n_accs: usize,
    pub(crate) n_slots: usize,
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
        self.acc_offset(self.n_accs + number)
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
