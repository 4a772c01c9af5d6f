//! A program translated once and run any number of times.

use super::compile::{self, Code};
use super::error::InterpError;
use super::execute;
use super::tasks::TaskOrder;
use graphc_ir::loops::Program;

/// A program translated for interpretation.
#[derive(Debug)]
pub struct LoopInterp {
    codes: Vec<Code>,
    buffers: Vec<String>,
    arena_words: usize,
    member_words: usize,
    order: TaskOrder,
}

impl LoopInterp {
    /// Translates a program.
    ///
    /// # Errors
    /// If a buffer does not fit into the arena, or a kernel uses what is not defined, mixes types or uses an
    /// operation that is not part of the loop IR.
    pub fn new(program: &Program) -> Result<LoopInterp, InterpError> {
        for (number, buffer) in program.buffers.iter().enumerate() {
            let words = program.words_around(buffer);
            if buffer.offset.checked_add(buffer.len).is_none_or(|end| end > words) {
                return Err(InterpError::Arena(format!(
                    "buffer b{number} {:?} ends outside its memory of {words} words",
                    buffer.name
                )));
            }
        }
        let codes = program.kernels.iter().map(|kernel| compile::compile(program, kernel)).collect::<Result<_, _>>()?;
        let names = program.buffers.iter().enumerate();
        Ok(LoopInterp {
            codes,
            buffers: names.map(|(number, buffer)| format!("b{number} {:?}", buffer.name)).collect(),
            arena_words: program.arena_words,
            member_words: program.member_words,
            order: TaskOrder::default(),
        })
    }

    /// The same with the iterations of parallel loops in an order that the seed decides, another one for every loop.
    /// They are independent, so that nothing in the arena may depend on it.
    pub fn in_random_order(self, seed: u64) -> LoopInterp {
        LoopInterp { order: TaskOrder::random(seed), ..self }
    }

    /// Number of kernels.
    pub fn n_kernels(&self) -> usize {
        self.codes.len()
    }

    /// Runs every kernel in order in an arena that holds the constants ([`Program::write_constants`]).
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
        execute::run(code, arena, self.member_words, self.order.for_kernel(kernel)).map_err(|fault| {
            InterpError::OutOfBounds {
                kernel: code.name.clone(),
                nest: code.nests[fault.nest].clone(),
                buffer: self.buffers[fault.buffer].clone(),
                index: fault.index,
                len: fault.len,
            }
        })
    }
}

/// Translates and runs a program once, in an arena that holds its constants.
///
/// # Errors
/// As [`LoopInterp::new`] and [`LoopInterp::run`].
pub fn run(program: &Program, arena: &mut [u32]) -> Result<(), InterpError> {
    LoopInterp::new(program)?.run(arena)
}
