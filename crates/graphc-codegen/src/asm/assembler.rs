//! What an instruction set is to the rest of this crate.

use super::straight_line::StraightLine;
use super::straight_line_registers::StraightLinePlan;
use super::tile::TileShape;
use super::tile_registers::TilePlan;
use super::transpose::TransposeShape;
use super::unit::VectorUnit;
use std::collections::BTreeMap;

/// Machine code, or why an instruction cannot be encoded.
pub(crate) type Assembled = Result<Vec<u8>, String>;

/// An instruction set: what it knows besides what Cranelift emits for it.
pub(crate) trait InstructionSet: Sync {
    /// Cranelift's name of it.
    fn name(&self) -> &'static str;

    /// Assemblers of the vector units that processors with these features have, the fastest first.
    fn assemblers(&self, features: &[&str]) -> Vec<&'static dyn Assembler>;

    /// The functions that set and restore the processor's mode for subnormal numbers.
    fn mode(&self) -> Mode;

    /// Text of a function; none if there is no disassembler. `calls` are names by the place, in bytes from the start,
    /// where an address is filled in when the function is linked.
    fn disassemble(&self, code: &[u8], calls: &BTreeMap<usize, String>) -> Option<Vec<Line>>;
}

/// Makes functions for one vector unit. Which registers hold what has been decided.
pub(crate) trait Assembler: Sync {
    /// What it assembles for.
    fn unit(&self) -> &'static VectorUnit;

    /// The function of a tile.
    fn tile(&self, shape: &TileShape, plan: &TilePlan) -> Assembled;

    /// The function of a loop over straight-line code.
    fn straight_line(&self, shape: &StraightLine, plan: &StraightLinePlan) -> Assembled;

    /// The function of a transposed copy.
    fn transpose(&self, shape: TransposeShape) -> Assembled;
}

/// Functions in the System V convention, or the processor's only one.
pub(crate) struct Mode {
    /// `fn() -> i64`: sets the mode; gives the control word that was in force.
    pub(crate) enter: Vec<u8>,
    /// `fn(i64)`: sets a control word.
    pub(crate) leave: Vec<u8>,
}

/// A line of a function's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// The name of the place where the next line stands.
    Label {
        /// Unique in the function.
        name: String,
        /// Where the last instruction stands that jumps back to it, if one does: the end of a loop.
        end: Option<usize>,
    },
    /// An instruction, or a word of data behind the instructions.
    Instruction {
        /// Bytes from the function's start.
        offset: usize,
        /// What stands there, with names in place of addresses.
        text: String,
    },
}
