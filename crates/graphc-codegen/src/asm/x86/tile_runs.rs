//! Runs of a tile's first reduction: their sums wait on the stack for their neighbours.
//!
//! Level `l` of the stack holds the sum of `2^l` runs where bit `l` of the number of finished runs is set. A run
//! takes with it what waits on the levels of the ones that end that number, and then waits itself; the last run takes
//! what waits on any level.

use super::register::memory;
use super::tile::{Assembler, FACTORS, RUN};
use crate::asm::tile::{Count, n_levels};
use iced_x86::code_asm::{AsmRegister64, qword_ptr, r10, rax, rsp};
use iced_x86::{IcedError, Instruction, MemoryOperand, Register};

/// Bits of the run's number that are still to be looked at, and the level of the lowest.
const BITS: AsmRegister64 = rax;
const LEVEL: AsmRegister64 = r10;

/// Bytes of a page.
const PAGE_BYTES: i32 = 4096;

impl Assembler<'_> {
    /// All runs; what they sum up to is left in the accumulators.
    pub(super) fn runs(&mut self) -> Result<(), IcedError> {
        let n_runs = self.shape.n_runs();
        let stack = (n_levels(n_runs) * self.level_bytes() as usize) as i32;
        let (mut next, mut done) = (self.asm.create_label(), self.asm.create_label());
        self.asm.sub(rsp, stack)?;
        // No guard page is passed over: the stack grows page by page.
        for page in 1..=stack / PAGE_BYTES {
            self.asm.mov(qword_ptr(rsp + (stack - page * PAGE_BYTES)), RUN)?;
        }
        self.asm.xor(RUN, RUN)?;
        self.asm.set_label(&mut next)?;
        self.start()?;
        self.run()?;
        if self.joins_lanes() {
            self.join_lanes()?;
        }
        self.join_waiting()?;
        self.asm.cmp(RUN, n_runs as i32 - 1)?;
        self.asm.je(done)?;
        self.store_level()?;
        self.asm.inc(RUN)?;
        self.next_run()?;
        self.asm.jmp(next)?;
        self.asm.set_label(&mut done)?;
        self.asm.add(rsp, stack)
    }

    /// The reductions of the run at hand; the pointers stay where they are.
    fn run(&mut self) -> Result<(), IcedError> {
        let (count, length) = self.first_loop();
        let rest = count % length;
        let (mut short, mut done) = (self.asm.create_label(), self.asm.create_label());
        if rest != 0 {
            self.asm.cmp(RUN, self.shape.n_runs() as i32 - 1)?;
            self.asm.je(short)?;
        }
        self.reduce_times(0, length, [0, 0])?;
        if rest != 0 {
            self.asm.jmp(done)?;
            self.asm.set_label(&mut short)?;
            // An inner reduction may be empty, and the next label needs an instruction of its own.
            self.asm.nop()?;
            self.reduce_times(0, rest, [0, 0])?;
            self.asm.set_label(&mut done)?;
        }
        Ok(())
    }

    /// Moves the pointers to the next run.
    fn next_run(&mut self) -> Result<(), IcedError> {
        let (_, length) = self.first_loop();
        for (pointer, stride) in FACTORS.into_iter().zip(self.shape.loops[0].strides) {
            if stride != 0 {
                self.asm.add(pointer, stride * length as i32)?;
            }
        }
        Ok(())
    }

    /// Adds what waits for the run, and leaves the level where its sum is to wait.
    fn join_waiting(&mut self) -> Result<(), IcedError> {
        let labels: [_; 4] = std::array::from_fn(|_| self.asm.create_label());
        let [mut look, mut is_alone, mut up, mut done] = labels;
        self.asm.mov(BITS, RUN)?;
        self.asm.mov(LEVEL, rsp)?;
        self.asm.set_label(&mut look)?;
        self.asm.test(BITS, BITS)?;
        self.asm.je(done)?;
        self.asm.test(BITS, 1)?;
        self.asm.je(is_alone)?;
        self.add_level()?;
        self.asm.jmp(up)?;
        self.asm.set_label(&mut is_alone)?;
        self.asm.cmp(RUN, self.shape.n_runs() as i32 - 1)?;
        self.asm.jne(done)?;
        self.asm.set_label(&mut up)?;
        self.asm.add(LEVEL, self.level_bytes())?;
        self.asm.shr(BITS, 1)?;
        self.asm.jmp(look)?;
        self.asm.set_label(&mut done)?;
        // A label needs an instruction; what follows is one.
        Ok(())
    }

    /// Adds what waits on the level.
    fn add_level(&mut self) -> Result<(), IcedError> {
        let code = self.add_code();
        for (register, place) in self.places_on_level() {
            self.add(Instruction::with3(code, register, register, place)?)?;
        }
        Ok(())
    }

    /// Lets the sums wait on the level.
    fn store_level(&mut self) -> Result<(), IcedError> {
        let code = self.store_code();
        for (register, place) in self.places_on_level() {
            self.add(Instruction::with2(code, place, register)?)?;
        }
        Ok(())
    }

    /// Every register with sums, and its place on the level.
    fn places_on_level(&self) -> Vec<(Register, MemoryOperand)> {
        let bytes = self.register_bytes();
        let registers = self.registers_of_sums().into_iter().enumerate();
        registers.map(|(place, number)| (self.vector(number), memory(LEVEL, place as i32 * bytes))).collect()
    }

    /// Registers of the accumulators, or of their joined lanes.
    fn registers_of_sums(&self) -> Vec<usize> {
        match self.joins_lanes() {
            true => self.joined().iter().map(|joined| joined.first).collect(),
            false => (0..self.plan.sums.len()).collect(),
        }
    }

    fn level_bytes(&self) -> i32 {
        self.registers_of_sums().len() as i32 * self.register_bytes()
    }

    /// Iterations of the first loop, and of a run.
    fn first_loop(&self) -> (u32, u32) {
        let Count::Constant(count) = self.shape.loops[0].count else {
            unreachable!("runs cut a loop of constant count")
        };
        let runs = self.shape.runs.expect("only a tile with runs asks");
        (count, runs.length as u32)
    }
}
