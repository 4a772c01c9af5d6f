//! The assembler of straight-line loops for x86-64 with AVX2 and FMA; pairs of vectors where there is AVX-512.
//!
//! What a step becomes is in `straight_line_steps`; what pairs and masks alone become, in `straight_line_pairs`.

use super::register::Width;
use crate::asm::straight_line::{Step, StraightLine, Table};
use crate::asm::straight_line_registers::StraightLinePlan;
use iced_x86::code_asm::{
    AsmRegister64, CodeAssembler, r8, r9, r10, r11, r12, r13, r14, r15, rax, rbp, rbx, rcx, rdi, rdx, rsi,
};
use iced_x86::{Code, IcedError, Instruction, MemoryOperand, Register};
use std::cmp::Reverse;

const TABLE: AsmRegister64 = rdi;
const COUNT: AsmRegister64 = rsi;
/// Most pointers. Those that have no register stay in the table.
pub(super) const N_POINTERS: usize = 32;
/// The last four belong to the caller.
const POINTERS: [AsmRegister64; 11] = [rdx, rcx, r8, r9, rax, r10, r11, r13, r14, r15, rbp];
const N_FREE_POINTERS: usize = 7;
/// What inner loops count with, outermost first; saved where it is used.
const INNER_COUNTS: [AsmRegister64; 2] = [rbx, r12];
/// Most loops within one.
pub(super) const N_INNER_LOOPS: usize = INNER_COUNTS.len();
/// Registers for masks that live on; the others are for instructions that need one.
pub(super) const N_MASKS: usize = 5;

/// Machine code of a loop.
pub(super) fn assemble(shape: &StraightLine, plan: &StraightLinePlan) -> Result<Vec<u8>, IcedError> {
    let mut asm = CodeAssembler::new(64)?;
    Assembler::new(&mut asm, (shape, plan), (TABLE, &POINTERS)).function(shape, plan)?;
    asm.assemble(0)
}

/// Appends one iteration to a function that has the accumulators in its first registers and the address of the table
/// in `table`; every other register is free, those of `pointers` too.
///
/// # Errors
/// If an instruction cannot be encoded.
pub(super) fn append(
    asm: &mut CodeAssembler,
    shape: &StraightLine,
    plan: &StraightLinePlan,
    table: AsmRegister64,
    pointers: &[AsmRegister64],
) -> Result<(), IcedError> {
    let mut assembler = Assembler::new(asm, (shape, plan), (table, pointers));
    assembler.load_pointers()?;
    assembler.load_constants(plan)?;
    plan.steps.iter().try_for_each(|placed| assembler.step(placed))
}

pub(super) struct Assembler<'s> {
    pub(super) asm: &'s mut CodeAssembler,
    /// What is assembled: the shape, or its pairs.
    shape: &'s StraightLine,
    pub(super) layout: Table,
    /// That of a vector, or of a pair of them.
    pub(super) width: Width,
    /// The address of the table.
    table: AsmRegister64,
    /// Of each pointer, its register if it has one.
    pub(super) pointers: Vec<Option<AsmRegister64>>,
    /// The register of those that have none, and whose value it has.
    pub(super) passing: AsmRegister64,
    pub(super) passes: Option<usize>,
}

impl<'s> Assembler<'s> {
    fn new(
        asm: &'s mut CodeAssembler,
        (shape, plan): (&'s StraightLine, &'s StraightLinePlan),
        (table, registers): (AsmRegister64, &[AsmRegister64]),
    ) -> Assembler<'s> {
        let (shape, width) = match &plan.pairs {
            Some(pairs) => (&pairs.paired.line, Width::Zmm),
            None => (shape, Width::Ymm),
        };
        let n_pointers = shape.strides.len();
        let (&passing, others) = registers.split_last().expect("there are some");
        let mut pointers = vec![None; n_pointers];
        if n_pointers <= registers.len() {
            pointers.iter_mut().zip(registers).for_each(|(pointer, &register)| *pointer = Some(register));
        } else {
            let mut by_use: Vec<usize> = (0..n_pointers).collect();
            let n_uses = |number: usize| shape.steps.iter().filter(|step| step.pointers().contains(&number)).count();
            by_use.sort_by_key(|&number| (Reverse(n_uses(number)), number));
            by_use.iter().zip(others).for_each(|(&number, &register)| pointers[number] = Some(register));
        }
        Assembler { asm, shape, layout: plan.table, width, table, pointers, passing, passes: None }
    }

    fn function(&mut self, shape: &'s StraightLine, plan: &'s StraightLinePlan) -> Result<(), IcedError> {
        let mut end = self.asm.create_label();
        self.asm.test(COUNT, COUNT)?;
        self.asm.jle(end)?;
        let n_used = shape.strides.len().min(POINTERS.len());
        let saved_pointers = &POINTERS[N_FREE_POINTERS.min(n_used)..n_used];
        let saved = [&INNER_COUNTS[..shape.inner.len()], saved_pointers].concat();
        saved.iter().try_for_each(|&register| self.asm.push(register))?;
        self.load_pointers()?;
        match plan.pairs.as_ref().and_then(|pairs| pairs.rest.as_ref()) {
            Some(rest) => self.by_twos(shape, plan, rest)?,
            None => {
                self.move_accumulators(plan, Assembler::load_vectors)?;
                self.load_constants(plan)?;
                self.loops(plan, 0)?;
            }
        }
        saved.iter().rev().try_for_each(|&register| self.asm.pop(register))?;
        self.move_accumulators(plan, Assembler::store_vectors)?;
        self.asm.set_label(&mut end)?;
        self.asm.vzeroupper()?;
        self.asm.ret()
    }

    /// Two iterations at a time, and one in eight lanes if their number is odd. There are no accumulators.
    fn by_twos(
        &mut self,
        shape: &'s StraightLine,
        plan: &StraightLinePlan,
        rest: &StraightLinePlan,
    ) -> Result<(), IcedError> {
        let (mut odd, mut even) = (self.asm.create_label(), self.asm.create_label());
        self.asm.push(COUNT)?;
        self.asm.shr(COUNT, 1)?;
        self.asm.je(odd)?;
        self.load_constants(plan)?;
        self.loops(plan, 0)?;
        self.asm.set_label(&mut odd)?;
        self.asm.pop(COUNT)?;
        self.asm.test(COUNT, 1)?;
        self.asm.je(even)?;
        (self.shape, self.width, self.passes) = (shape, Width::Ymm, None);
        self.load_constants(rest)?;
        rest.steps.iter().try_for_each(|placed| self.step(placed))?;
        self.asm.set_label(&mut even)?;
        // A label is that of an instruction, and the next one may have another.
        self.asm.nop()
    }

    /// Loads or stores the accumulators.
    fn move_accumulators(
        &mut self,
        plan: &StraightLinePlan,
        moves: impl Fn(&mut Self, usize, [MemoryOperand; 2]) -> Result<(), IcedError>,
    ) -> Result<(), IcedError> {
        let alone: Vec<[usize; 2]> = (0..self.shape.n_accs).map(|acc| [acc, acc]).collect();
        let accs = plan.pairs.as_ref().map_or(&alone, |pairs| &pairs.paired.accs);
        for (register, &acc) in accs.iter().enumerate() {
            let places = acc.map(|acc| self.at(self.layout.acc_offset(acc)));
            moves(self, register, places)?;
        }
        Ok(())
    }

    /// The loop that `level` others stand around.
    fn loops(&mut self, plan: &StraightLinePlan, level: usize) -> Result<(), IcedError> {
        let shape = self.shape;
        let mut head = self.asm.create_label();
        self.asm.set_label(&mut head)?;
        self.passes = None;
        match shape.inner.get(level) {
            Some(inner) => {
                self.asm.mov(INNER_COUNTS[level], i64::from(inner.count))?;
                self.loops(plan, level + 1)?;
            }
            None => plan.steps.iter().try_for_each(|placed| self.step(placed))?,
        }
        self.advance(level)?;
        let count = if level == 0 { COUNT } else { INNER_COUNTS[level - 1] };
        self.asm.dec(count)?;
        self.asm.jne(head)
    }

    fn load_pointers(&mut self) -> Result<(), IcedError> {
        for number in 0..self.pointers.len() {
            if let Some(register) = self.pointers[number] {
                self.load_pointer(register, number)?;
            }
        }
        Ok(())
    }

    fn load_pointer(&mut self, register: AsmRegister64, number: usize) -> Result<(), IcedError> {
        let place = self.at(self.layout.pointer_offset(number));
        self.add(Instruction::with2(Code::Mov_r64_rm64, Register::from(register), place)?)
    }

    /// Moves the pointers on to the next iteration of the loop that `level` others stand around.
    fn advance(&mut self, level: usize) -> Result<(), IcedError> {
        for number in 0..self.pointers.len() {
            let bytes = self.shape.advance(level, number);
            match self.pointers[number] {
                _ if bytes == 0 => {}
                Some(register) => self.asm.add(register, bytes)?,
                None => {
                    let place = self.at(self.layout.pointer_offset(number));
                    self.add(Instruction::with2(Code::Add_rm64_imm32, place, bytes)?)?;
                }
            }
        }
        Ok(())
    }

    /// Bytes from what a pointer points to.
    pub(super) fn there(&mut self, pointer: usize, offset: i32) -> Result<MemoryOperand, IcedError> {
        let register = match self.pointers[pointer] {
            Some(register) => register,
            None => {
                if self.passes != Some(pointer) {
                    self.load_pointer(self.passing, pointer)?;
                    self.passes = Some(pointer);
                }
                self.passing
            }
        };
        Ok(MemoryOperand::with_base_displ(register.into(), i64::from(offset)))
    }

    fn load_constants(&mut self, plan: &StraightLinePlan) -> Result<(), IcedError> {
        if plan.steps.iter().any(|placed| has_two_words(placed.step)) {
            self.set_upper_mask()?;
        }
        plan.kept.iter().try_for_each(|&(constant, register)| {
            let place = self.at(self.layout.constant_offset(constant));
            self.load_same(register, place)
        })
    }

    /// A place in the table.
    pub(super) fn at(&self, offset: i32) -> MemoryOperand {
        MemoryOperand::with_base_displ(self.table.into(), i64::from(offset))
    }

    /// A pointer that is computed, or an integer that stands for one.
    pub(super) fn index(&mut self, step: Step) -> Result<(), IcedError> {
        let (Step::LoadIndex { to, .. } | Step::Point { to, .. }) = step else {
            unreachable!("{step:?} computes no pointer")
        };
        let register = self.pointers[to].unwrap_or(self.passing);
        let whole = Register::from(register);
        match step {
            Step::LoadIndex { pointer, offset, zero, most, .. } => {
                let word = word_of(register);
                let place = self.there(pointer, offset)?;
                let [zero, most] = [zero, most].map(|constant| self.at(self.layout.constant_offset(constant)));
                // What is written to a half of a register clears the other half.
                self.add(Instruction::with2(Code::Mov_r32_rm32, word, place)?)?;
                self.add(Instruction::with2(Code::Cmp_r32_rm32, word, most)?)?;
                self.add(Instruction::with2(Code::Cmovg_r32_rm32, word, most)?)?;
                self.add(Instruction::with2(Code::Test_rm32_r32, word, word)?)?;
                self.add(Instruction::with2(Code::Cmovs_r32_rm32, word, zero)?)?;
            }
            Step::Point { from, index, bytes, .. } => {
                self.add(match self.pointers[index] {
                    Some(index) => Instruction::with3(Code::Imul_r64_rm64_imm32, whole, Register::from(index), bytes)?,
                    None => {
                        let index = self.at(self.layout.pointer_offset(index));
                        Instruction::with3(Code::Imul_r64_rm64_imm32, whole, index, bytes)?
                    }
                })?;
                self.add(match self.pointers[from] {
                    Some(from) => Instruction::with2(Code::Add_r64_rm64, whole, Register::from(from))?,
                    None => Instruction::with2(Code::Add_r64_rm64, whole, self.at(self.layout.pointer_offset(from)))?,
                })?;
            }
            _ => {}
        }
        if self.pointers[to].is_none() {
            let place = self.at(self.layout.pointer_offset(to));
            self.add(Instruction::with2(Code::Mov_rm64_r64, place, whole)?)?;
            self.passes = Some(to);
        }
        Ok(())
    }

    pub(super) fn add(&mut self, instruction: Instruction) -> Result<(), IcedError> {
        self.asm.add_instruction(instruction)
    }
}

/// Whether a step loads another word into the high lanes.
pub(super) fn has_two_words(step: Step) -> bool {
    matches!(step, Step::LoadPair { low, high, is_splat: true } if low != high)
}

/// The lower half of a register.
pub(super) fn word_of(register: AsmRegister64) -> Register {
    Register::EAX + (Register::from(register) as u32 - Register::RAX as u32)
}
