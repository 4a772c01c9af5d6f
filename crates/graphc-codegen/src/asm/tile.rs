//! Tiles: the innermost block of a contraction, with the instructions that Cranelift lacks (wide vectors,
//! multiply-adds that overwrite the sum, broadcasts from memory).
//!
//! A [`TileShape`] says all that such a function is made of: where every cell's operands and result stand relative to
//! three pointers, the reduction loops, how accumulators start and end. The order of arithmetic is that of the loop
//! IR; only registers and instructions are chosen by those who assemble it.

use super::straight_line::StraightLine;
use graphc_ir::loops::Runs;
use graphc_ir::scalar::LANES;
use graphc_ir::types::WORD_BYTES;
use std::fmt;

/// Bytes of an 8-lane accumulator in memory.
pub(crate) const CELL_BYTES: i32 = (LANES * WORD_BYTES) as i32;

/// A function `fn(a: *const f32, b: *const f32, out: *mut f32, counts: i64…)` in the System V
/// convention:
///
/// ```text
/// for c in cells:              acc[c] = start
/// for l in loops, in order:    for c in cells:   acc[c] = fma(a[..], b[..], acc[c])
/// for c in cells:              out[c] = acc[c]
/// ```
///
/// or an epilogue in place of the last line. With [`Runs`] the first loop is cut: each run starts anew, and its sums
/// are joined with those that wait on the stack, as [`graphc_ir::loops::Runs`] says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TileShape {
    pub(crate) a: Factor,
    pub(crate) b: Factor,
    /// Bytes ahead of each factor's operands that are fetched into the second-level cache; 0 for none.
    pub(crate) ahead: [i32; 2],
    /// Reductions, outermost first.
    pub(crate) loops: Vec<Reduction>,
    /// How the first of them, of a constant count, is cut. Where lanes are joined, sums are stored.
    pub(crate) runs: Option<Runs>,
    pub(crate) start: Start,
    pub(crate) end: End,
    /// Byte offset of every cell's result from `out`, or of where it starts, as [`Start`] says.
    pub(crate) out: Vec<i32>,
    /// What happens to all accumulators at the end, if they are not just stored: one iteration.
    pub(crate) epilogue: StraightLine,
}

/// One of the two factors.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Factor {
    /// Eight neighbouring words, or one word for all lanes.
    pub(crate) is_vector: bool,
    /// Byte offset of every cell's operand from the pointer.
    pub(crate) cells: Vec<i32>,
}

/// A reduction loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reduction {
    pub(crate) count: Count,
    /// Bytes from one iteration to the next in `a` and `b`.
    pub(crate) strides: [i32; 2],
}

/// Iterations of a reduction loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Count {
    Constant(u32),
    /// A parameter by its number; none if it is negative.
    Parameter(usize),
}

/// How accumulators start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Start {
    Zero,
    /// With what stands at the cell's place in `out`.
    Out,
    /// With what stands at the cell's place relative to a pointer in the table that `out` is: `out` has these places.
    Table(usize),
}

/// How a cell is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// Eight words.
    Vector,
    /// The sum of the lanes in the fixed tree, one word.
    Sum,
    /// Not itself: it is an accumulator of the shape's epilogue, whose table `out` is.
    Epilogue,
}

impl TileShape {
    /// Number of parameters behind the three pointers.
    pub(crate) fn n_counts(&self) -> usize {
        self.loops.iter().filter(|reduction| matches!(reduction.count, Count::Parameter(_))).count()
    }

    /// How many runs there are.
    pub(crate) fn n_runs(&self) -> usize {
        match (self.runs, self.loops.first()) {
            (Some(runs), Some(Reduction { count: Count::Constant(count), .. })) => {
                (*count as usize).div_ceil(runs.length)
            }
            _ => 1,
        }
    }
}

/// Levels on which sums of runs wait for their neighbours: as many as the number of the last run has bits.
pub(crate) fn n_levels(n_runs: usize) -> usize {
    (usize::BITS - n_runs.saturating_sub(1).leading_zeros()) as usize
}

impl fmt::Display for TileShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tile of {} cells, start {:?}, end {:?}", self.out.len(), self.start, self.end)?;
        for (name, factor) in [("a", &self.a), ("b", &self.b)] {
            let kind = if factor.is_vector { "vector" } else { "splat" };
            writeln!(f, "  {name}: {kind} at {:?}", factor.cells)?;
        }
        if self.ahead != [0, 0] {
            writeln!(f, "  ahead: {:?}", self.ahead)?;
        }
        match self.end {
            End::Epilogue => write!(f, "  epilogue: {}", self.epilogue)?,
            End::Vector | End::Sum => writeln!(f, "  out: at {:?}", self.out)?,
        }
        if let Some(Runs { length, joins_lanes }) = self.runs {
            let join = if joins_lanes { ", lanes joined" } else { "" };
            writeln!(f, "  {} runs of {length}{join}", self.n_runs())?;
        }
        for reduction in &self.loops {
            let [a, b] = reduction.strides;
            match reduction.count {
                Count::Constant(count) => writeln!(f, "  {count} times, a + {a}, b + {b}")?,
                Count::Parameter(number) => writeln!(f, "  count{number} times, a + {a}, b + {b}")?,
            }
        }
        Ok(())
    }
}
