//! The loop interpreter: runs a [`Program`] scalar by scalar, with exactly the bits that the machine code must give.
//!
//! The meaning is that of [`graphc_ir::loops::kernel`]: the arithmetic of [`graphc_ir::scalar::flushed`] (single
//! precision in which subnormal numbers count as zero, `fma` rounded once), 8 lanes in lockstep, lanes joined in the
//! fixed tree. Every access is checked against its buffer's length. A program is translated once ([`LoopInterp::new`]:
//! variables and values become slots, affine indices become slot and coefficient lists), because tests run whole
//! training steps.
//!
//! Reading order: `compile` (translation and the translated form), `execute`, `tile`, [`Memory`] (named tensors).

mod compile;
mod execute;
mod memory;
mod tile;

pub use memory::{Memory, read, write};

use compile::Code;
use graphc_ir::loops::Program;
use std::fmt;

/// Why a program cannot be run or went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterpError {
    /// An access outside its buffer.
    OutOfBounds {
        /// Name of the kernel.
        kernel: String,
        /// Name of the nest, empty outside nests.
        nest: String,
        /// Number and name of the buffer.
        buffer: String,
        /// The word index within the buffer.
        index: i64,
        /// Words of the buffer.
        len: usize,
    },
    /// The program breaks a rule of the loop IR (the verifier says more).
    Invalid {
        /// Name of the kernel.
        kernel: String,
        /// Which rule.
        message: String,
    },
    /// The arena is smaller than the program says, or a buffer does not fit into it.
    Arena(String),
    /// A tensor that is not there or has another shape.
    Tensor(String),
}

impl fmt::Display for InterpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InterpError::OutOfBounds { kernel, nest, buffer, index, len } => {
                write!(f, "kernel {kernel:?}, nest {nest:?}: index {index} of buffer {buffer} with {len} words")
            }
            InterpError::Invalid { kernel, message } => write!(f, "kernel {kernel:?}: {message}"),
            InterpError::Arena(message) | InterpError::Tensor(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for InterpError {}

/// A program translated for interpretation.
#[derive(Debug)]
pub struct LoopInterp {
    codes: Vec<Code>,
    buffers: Vec<String>,
    arena_words: usize,
}

impl LoopInterp {
    /// Translates a program.
    ///
    /// # Errors
    /// If a buffer does not fit into the arena, or a kernel uses what is not defined, mixes types or uses an
    /// operation that is not part of the loop IR.
    pub fn new(program: &Program) -> Result<LoopInterp, InterpError> {
        for (number, buffer) in program.buffers.iter().enumerate() {
            if buffer.offset.checked_add(buffer.len).is_none_or(|end| end > program.arena_words) {
                return Err(InterpError::Arena(format!(
                    "buffer b{number} {:?} ends outside the arena of {} words",
                    buffer.name, program.arena_words
                )));
            }
        }
        let codes = program.kernels.iter().map(|kernel| compile::compile(program, kernel)).collect::<Result<_, _>>()?;
        let names = program.buffers.iter().enumerate();
        Ok(LoopInterp {
            codes,
            buffers: names.map(|(number, buffer)| format!("b{number} {:?}", buffer.name)).collect(),
            arena_words: program.arena_words,
        })
    }

    /// Number of kernels.
    pub fn n_kernels(&self) -> usize {
        self.codes.len()
    }

    /// Runs every kernel in order.
    ///
    /// # Errors
    /// If the arena is too short, or at the first access outside its buffer.
    pub fn run(&self, arena: &mut [u32]) -> Result<(), InterpError> {
        (0..self.codes.len()).try_for_each(|kernel| self.run_kernel(kernel, arena))
    }

    /// Runs one kernel.
    ///
    /// # Errors
    /// As [`LoopInterp::run`].
    ///
    /// # Panics
    /// If there is no kernel of that number.
    pub fn run_kernel(&self, kernel: usize, arena: &mut [u32]) -> Result<(), InterpError> {
        if arena.len() < self.arena_words {
            let message = format!("an arena of {} words for a program of {}", arena.len(), self.arena_words);
            return Err(InterpError::Arena(message));
        }
        let code = &self.codes[kernel];
        execute::run(code, arena).map_err(|fault| InterpError::OutOfBounds {
            kernel: code.name.clone(),
            nest: code.nests[fault.nest].clone(),
            buffer: self.buffers[fault.buffer].clone(),
            index: fault.index,
            len: fault.len,
        })
    }
}

/// Translates and runs a program once.
///
/// # Errors
/// As [`LoopInterp::new`] and [`LoopInterp::run`].
pub fn run(program: &Program, arena: &mut [u32]) -> Result<(), InterpError> {
    LoopInterp::new(program)?.run(arena)
}
