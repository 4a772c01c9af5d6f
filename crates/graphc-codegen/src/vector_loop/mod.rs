//! Loops over straight-line vector code as assembled functions: sweeps with 256-bit vectors, which Cranelift lacks.
//!
//! A [`LoopShape`] says what one iteration does in terms of pointers that advance by constant strides, vectors that do
//! not change during the loop, and accumulators that do. It holds no addresses, so that equal loops of a program share
//! one function. [`assemble`] makes the bytes. Every step is one IEEE operation of the loop IR in all eight lanes, in
//! the order of the program; only registers and instructions are chosen here.

mod plan;
mod x86;

use graphc_ir::scalar::{BinaryOp, CmpOp};
use std::fmt;

pub(crate) use plan::Plan;
pub(crate) use x86::{append, assemble};

/// Most pointers of a loop: registers that need not be saved.
pub(crate) const MAX_POINTERS: usize = 7;

/// Bytes of a cache line.
pub(crate) const LINE_BYTES: i32 = 64;

/// Bytes at the start of the table that hold the pointers.
pub(crate) const POINTER_BYTES: i32 = 64;

/// Bytes of a vector in the table.
pub(crate) const VECTOR_BYTES: i32 = 32;

/// A function `fn(table: *mut u8, count: i64)` in the System V convention. The table holds the pointers, the constant
/// vectors, and the accumulators, which it leaves there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct LoopShape {
    /// Bytes from one iteration to the next for every pointer.
    pub(crate) strides: Vec<i32>,
    /// Number of constant vectors.
    pub(crate) n_constants: usize,
    /// Number of accumulators.
    pub(crate) n_accs: usize,
    /// What an iteration does, in order.
    pub(crate) steps: Vec<Step>,
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
    /// Floating point, two operands.
    Binary(BinaryOp, Source, Source),
    /// Square root.
    Sqrt(Source),
    /// `a * b + c`, rounded once.
    Fma(Source, Source, Source),
    /// All bits where the comparison holds.
    Compare(CmpOp, Source, Source),
    /// `mask ? a : b`.
    Blend { mask: Source, a: Source, b: Source },
    /// Bits of both.
    And(Source, Source),
    /// Bits of the second where the first has none.
    AndNot(Source, Source),
    /// Bits of one of them.
    Xor(Source, Source),
    /// Eight words.
    Store { pointer: usize, offset: i32, value: Source },
    /// Asks for the cache line there.
    Fetch { pointer: usize, offset: i32 },
    /// A new value of an accumulator.
    Set { acc: usize, value: Source },
}

impl Step {
    /// What it reads.
    pub(crate) fn sources(&self) -> Vec<Source> {
        match *self {
            Step::Load { .. } | Step::Fetch { .. } => Vec::new(),
            Step::Sqrt(a) | Step::Store { value: a, .. } | Step::Set { value: a, .. } => vec![a],
            Step::Binary(_, a, b) | Step::Compare(_, a, b) | Step::And(a, b) | Step::AndNot(a, b) | Step::Xor(a, b) => {
                vec![a, b]
            }
            Step::Fma(a, b, c) | Step::Blend { mask: a, a: b, b: c } => vec![a, b, c],
        }
    }

    /// Whether it has a result.
    pub(crate) fn has_result(&self) -> bool {
        !matches!(self, Step::Store { .. } | Step::Fetch { .. } | Step::Set { .. })
    }
}

impl LoopShape {
    /// Asks for so many lines from each pointer on, in one iteration.
    pub(crate) fn fetch(n_lines: impl Iterator<Item = usize>) -> LoopShape {
        let lines = |(pointer, n_lines): (usize, usize)| {
            (0..n_lines as i32).map(move |line| Step::Fetch { pointer, offset: line * LINE_BYTES })
        };
        let n_lines: Vec<usize> = n_lines.collect();
        let steps = n_lines.iter().copied().enumerate().flat_map(lines).collect();
        LoopShape { strides: vec![0; n_lines.len()], n_constants: 0, n_accs: 0, steps }
    }

    /// Bytes of the table.
    pub(crate) fn table_bytes(&self) -> i32 {
        self.acc_offset(self.n_accs)
    }

    /// Where a constant vector stands in the table.
    pub(crate) fn constant_offset(&self, number: usize) -> i32 {
        POINTER_BYTES + number as i32 * VECTOR_BYTES
    }

    /// Where an accumulator stands in the table.
    pub(crate) fn acc_offset(&self, number: usize) -> i32 {
        self.constant_offset(self.n_constants + number)
    }
}

impl fmt::Display for LoopShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (constants, accs) = (self.n_constants, self.n_accs);
        writeln!(f, "loop with {constants} constants, {accs} accumulators, strides {:?}", self.strides)?;
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {number}: {step:?}")?;
        }
        Ok(())
    }
}
