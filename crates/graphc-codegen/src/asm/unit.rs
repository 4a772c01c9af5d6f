//! What is known of a vector unit: enough to choose shapes and registers, on any machine.

use graphc_ir::scalar::LANES;
use graphc_ir::types::WORD_BYTES;
use std::fmt;

/// The vector registers of an instruction set, and which shapes its assembler makes functions of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorUnit {
    /// What its registers are called.
    pub name: &'static str,
    /// `f32` words of a register.
    pub lanes: usize,
    /// Number of registers.
    pub n_registers: usize,
    /// Number of registers that straight-line code of eight lanes may use.
    pub n_line_registers: usize,
    /// Number of registers for the results of comparisons, a bit for every lane, in straight-line code of more lanes.
    pub n_masks: usize,
    /// Whether an instruction reads a word for all lanes from memory.
    pub splats_memory: bool,
    /// Shapes that are assembled; Cranelift does what is none of these.
    pub assembles: &'static [ShapeKind],
    /// Most pointers of straight-line code.
    pub n_pointers: usize,
    /// Most loops within one of straight-line code.
    pub n_inner_loops: usize,
    /// Most reduction loops of a tile.
    pub n_reductions: usize,
    /// Most reduction loops of a tile whose extent is known at run time only.
    pub n_counts: usize,
}

/// A kind of shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeKind {
    /// The innermost block of a contraction.
    Tile,
    /// A loop over straight-line vector code, or a single run of it.
    StraightLine,
    /// A copy from vectors of samples to rows of features.
    Transpose,
}

impl VectorUnit {
    /// Whether shapes of that kind are assembled.
    pub fn assembles(&self, kind: ShapeKind) -> bool {
        self.assembles.contains(&kind)
    }

    /// Registers of an 8-lane accumulator.
    pub(crate) fn registers_per_cell(&self) -> usize {
        LANES.div_ceil(self.lanes)
    }

    /// Whether each of a tile's cells ends in a register of its own.
    pub(crate) fn holds_cells(&self) -> bool {
        self.lanes == LANES
    }

    /// Bytes of a register.
    pub(crate) fn bytes(&self) -> i32 {
        (self.lanes * WORD_BYTES) as i32
    }
}

impl fmt::Display for VectorUnit {
    /// For example `ymm: 16 registers of 8 lanes`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} registers of {} lanes", self.name, self.n_registers, self.lanes)
    }
}

/// Why a unit has no function for a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Misfit {
    /// Its registers do not hold the values.
    Registers,
    /// There are more reduction loops than counters.
    Reductions,
    /// Sums of runs take more room on the stack than there is.
    Runs,
}
