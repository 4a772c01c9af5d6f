//! The assembler of tiles for x86-64 with FMA.

use super::register::{Width, memory, xmm};
use super::straight_line;
use crate::asm::straight_line::LINE_BYTES;
use crate::asm::tile::{CELL_BYTES, Count, End, Start, TileShape};
use crate::asm::tile_registers::{Action, Operand, TilePlan};
use iced_x86::code_asm::{
    AsmRegister64, CodeAssembler, qword_ptr, r8, r9, r10, r11, r12, r13, r14, rax, rbp, rbx, rcx, rdi, rdx, rsi,
};
use iced_x86::{Code, IcedError, Instruction, Register};
use std::collections::BTreeSet;

/// Multiply-adds of a loop body up to which reductions are copied.
const MAX_COPIED_FMAS: u64 = 160;

/// Most reduction loops of a tile, and most of these whose extent is a parameter.
pub(super) const N_REDUCTIONS: usize = COUNTERS.len();
pub(super) const N_COUNTS: usize = COUNTS.len();

/// Pointers to the factors and the results, and the counts.
pub(super) const FACTORS: [AsmRegister64; 2] = [rdi, rsi];
pub(super) const OUT: AsmRegister64 = rdx;
/// Where accumulators start, while no loop has begun.
const START: AsmRegister64 = rax;
const COUNTS: [AsmRegister64; 3] = [rcx, r8, r9];
/// Loop counters; the last four belong to the caller.
const COUNTERS: [AsmRegister64; 7] = [rax, r10, r11, rbx, rbp, r12, r13];
const N_FREE_COUNTERS: usize = 3;
/// Number of the run at hand, which belongs to the caller.
pub(super) const RUN: AsmRegister64 = r14;
/// What the epilogue may use: factors and counts are done with.
const EPILOGUE_POINTERS: [AsmRegister64; 7] = [rdi, rsi, rcx, r8, r9, rax, r10];

/// Machine code of a tile.
pub(super) fn assemble(shape: &TileShape, plan: &TilePlan, width: Width) -> Result<Vec<u8>, IcedError> {
    let mut assembler = Assembler { asm: CodeAssembler::new(64)?, shape, width, plan, fetched: BTreeSet::new() };
    assembler.tile()?;
    assembler.asm.assemble(0)
}

pub(super) struct Assembler<'t> {
    pub(super) asm: CodeAssembler,
    pub(super) shape: &'t TileShape,
    pub(super) width: Width,
    plan: &'t TilePlan,
    /// Lines of each factor, relative to its pointer, that the loop body at hand has fetched ahead.
    fetched: BTreeSet<(usize, i32)>,
}

impl Assembler<'_> {
    fn tile(&mut self) -> Result<(), IcedError> {
        let n_saved = self.shape.loops.len().saturating_sub(N_FREE_COUNTERS);
        let saved = &COUNTERS[N_FREE_COUNTERS..N_FREE_COUNTERS + n_saved];
        for &register in saved {
            self.asm.push(register)?;
        }
        let has_runs = self.shape.runs.is_some();
        if has_runs {
            self.asm.push(RUN)?;
            self.runs()?;
            self.asm.pop(RUN)?;
        } else {
            self.start()?;
            self.reduce(0, [0, 0])?;
        }
        match self.shape.end {
            End::Sum if self.joins_lanes() => self.put_sums()?,
            End::Vector => self.store_vectors()?,
            End::Sum => self.store_sums()?,
            End::Epilogue => {
                let plan = self.plan.epilogue.as_ref().expect("`TilePlan::of` makes it for such a tile");
                straight_line::append(&mut self.asm, &self.shape.epilogue, plan, OUT, &EPILOGUE_POINTERS)?;
            }
        }
        for &register in saved.iter().rev() {
            self.asm.pop(register)?;
        }
        self.asm.vzeroupper()?;
        self.asm.ret()
    }

    /// Accumulators by register, with the byte offset of each in `out`.
    fn accumulators(&self) -> Vec<(usize, i32)> {
        let n_parts = self.n_parts();
        let place = |(cell, &offset): (usize, &i32)| {
            let bytes = CELL_BYTES / n_parts as i32;
            (0..n_parts).map(move |part| (cell * n_parts + part, offset + part as i32 * bytes))
        };
        self.shape.out.iter().enumerate().flat_map(place).collect()
    }

    pub(super) fn joins_lanes(&self) -> bool {
        self.shape.runs.is_some_and(|runs| runs.joins_lanes)
    }

    pub(super) fn start(&mut self) -> Result<(), IcedError> {
        let from = match self.shape.start {
            Start::Zero | Start::Out => OUT,
            Start::Table(pointer) => {
                let place = self.shape.epilogue.table(0).pointer_offset(pointer);
                self.asm.mov(START, qword_ptr(OUT + place))?;
                START
            }
        };
        for (number, offset) in self.accumulators() {
            let register = self.vector(number);
            match self.shape.start {
                Start::Zero => {
                    // The 128-bit form clears the whole register.
                    let xmm = xmm(number);
                    self.add(Instruction::with3(Code::VEX_Vxorps_xmm_xmm_xmmm128, xmm, xmm, xmm)?)?;
                }
                Start::Out | Start::Table(_) => {
                    let code = self.code(Code::VEX_Vmovups_xmm_xmmm128, Code::VEX_Vmovups_ymm_ymmm256);
                    self.add(Instruction::with2(code, register, memory(from, offset))?)?;
                }
            }
        }
        Ok(())
    }

    /// The reduction loops from `level` on; `offsets` are bytes added to the factors' pointers.
    fn reduce(&mut self, level: usize, offsets: [i32; 2]) -> Result<(), IcedError> {
        let Some(&reduction) = self.shape.loops.get(level) else { return self.emit_step(offsets) };
        match reduction.count {
            Count::Constant(count) => self.reduce_times(level, count, offsets),
            Count::Parameter(_) => self.counted(level, reduction.count, 1, offsets),
        }
    }

    /// So many iterations of the loop `level`.
    pub(super) fn reduce_times(&mut self, level: usize, count: u32, offsets: [i32; 2]) -> Result<(), IcedError> {
        let strides = self.shape.loops[level].strides;
        let at = |i: u32| [0, 1].map(|factor| offsets[factor] + i as i32 * strides[factor]);
        let copies = match self.n_fmas(level + 1) {
            Some(inner) => copies_of(count, inner),
            None => 1,
        };
        if count <= copies {
            return (0..count).try_for_each(|i| self.reduce(level + 1, at(i)));
        }
        self.counted(level, Count::Constant(count), copies, offsets)
    }

    /// A loop whose body holds `copies` iterations.
    fn counted(&mut self, level: usize, count: Count, copies: u32, offsets: [i32; 2]) -> Result<(), IcedError> {
        let strides = self.shape.loops[level].strides;
        let at = |i: u32| [0, 1].map(|factor| offsets[factor] + i as i32 * strides[factor]);
        let counter = COUNTERS[level];
        let (mut head, mut end) = (self.asm.create_label(), self.asm.create_label());
        let keeps_pointers = level > 0 || self.shape.runs.is_some();
        if keeps_pointers {
            FACTORS.into_iter().try_for_each(|pointer| self.asm.push(pointer))?;
        }
        let remainder = match count {
            Count::Constant(count) => {
                self.asm.mov(counter, i64::from(count / copies))?;
                count % copies
            }
            Count::Parameter(number) => {
                self.asm.mov(counter, COUNTS[number])?;
                self.asm.test(counter, counter)?;
                self.asm.jle(end)?;
                0
            }
        };
        self.asm.set_label(&mut head)?;
        self.fetched.clear();
        (0..copies).try_for_each(|i| self.reduce(level + 1, at(i)))?;
        for (pointer, stride) in FACTORS.into_iter().zip(strides) {
            if stride != 0 {
                self.asm.add(pointer, stride * copies as i32)?;
            }
        }
        self.asm.dec(counter)?;
        self.asm.jne(head)?;
        (0..remainder).try_for_each(|i| self.reduce(level + 1, at(i)))?;
        self.asm.set_label(&mut end)?;
        if !keeps_pointers {
            // A label needs an instruction; what follows is one.
            return Ok(());
        }
        FACTORS.into_iter().rev().try_for_each(|pointer| self.asm.pop(pointer))
    }

    /// Multiply-adds of all iterations of the loops from `level` on, if that is a constant small enough to copy.
    fn n_fmas(&self, level: usize) -> Option<u64> {
        let Some(reduction) = self.shape.loops.get(level) else {
            return Some((self.shape.out.len() * self.n_parts()) as u64);
        };
        let Count::Constant(count) = reduction.count else { return None };
        let all = u64::from(count) * self.n_fmas(level + 1)?;
        (count <= 1 || all <= MAX_COPIED_FMAS).then_some(all)
    }

    fn emit_step(&mut self, offsets: [i32; 2]) -> Result<(), IcedError> {
        self.fetch_ahead(offsets)?;
        for &action in &self.plan.step {
            let place = |operand: Operand| memory(FACTORS[operand.factor], operand.offset + offsets[operand.factor]);
            match action {
                Action::Load(register, operand) => {
                    let code = if operand.is_vector {
                        self.code(Code::VEX_Vmovups_xmm_xmmm128, Code::VEX_Vmovups_ymm_ymmm256)
                    } else {
                        self.code(Code::VEX_Vbroadcastss_xmm_m32, Code::VEX_Vbroadcastss_ymm_m32)
                    };
                    self.add(Instruction::with2(code, self.vector(register), place(operand))?)?;
                }
                Action::Fma(acc, first, second) => {
                    let [acc, first, second] = [acc, first, second].map(|register| self.vector(register));
                    self.add(Instruction::with3(self.fma(), acc, first, second)?)?;
                }
                Action::FmaMemory(acc, first, operand) => {
                    let [acc, first] = [acc, first].map(|register| self.vector(register));
                    self.add(Instruction::with3(self.fma(), acc, first, place(operand))?)?;
                }
            }
        }
        Ok(())
    }

    /// Asks for the lines that lie ahead of this step's operands, each once in a loop body.
    fn fetch_ahead(&mut self, offsets: [i32; 2]) -> Result<(), IcedError> {
        let shape = self.shape;
        for (factor, cells) in [&shape.a.cells, &shape.b.cells].into_iter().enumerate() {
            let (distance, offset) = (shape.ahead[factor], offsets[factor]);
            for cell in cells.iter().filter(|_| distance != 0) {
                let line = (cell + offset).div_euclid(LINE_BYTES) * LINE_BYTES;
                if self.fetched.insert((factor, line)) {
                    let place = memory(FACTORS[factor], line + distance);
                    self.add(Instruction::with1(Code::Prefetcht1_m8, place)?)?;
                }
            }
        }
        Ok(())
    }

    fn fma(&self) -> Code {
        self.code(Code::VEX_Vfmadd231ps_xmm_xmm_xmmm128, Code::VEX_Vfmadd231ps_ymm_ymm_ymmm256)
    }

    fn store_vectors(&mut self) -> Result<(), IcedError> {
        let code = self.code(Code::VEX_Vmovups_xmmm128_xmm, Code::VEX_Vmovups_ymmm256_ymm);
        for (number, offset) in self.accumulators() {
            self.add(Instruction::with2(code, memory(OUT, offset), self.vector(number))?)?;
        }
        Ok(())
    }

    fn store_sums(&mut self) -> Result<(), IcedError> {
        self.join_lanes()?;
        self.put_sums()
    }

    /// Registers of an accumulator.
    pub(super) fn n_parts(&self) -> usize {
        match self.width {
            Width::Xmm => 2,
            Width::Ymm => 1,
        }
    }

    pub(super) fn code(&self, of_xmm: Code, of_ymm: Code) -> Code {
        self.width.code(of_xmm, of_ymm)
    }

    pub(super) fn vector(&self, number: usize) -> Register {
        self.width.register(number)
    }

    pub(super) fn add(&mut self, instruction: Instruction) -> Result<(), IcedError> {
        self.asm.add_instruction(instruction)
    }
}

/// How many iterations of a loop to copy when one has `inner` multiply-adds: all of them, or the
/// largest number within the limit that divides the count, or else just as many as fit.
fn copies_of(count: u32, inner: u64) -> u32 {
    let most = (MAX_COPIED_FMAS / inner.max(1)).clamp(1, u64::from(count.max(1))) as u32;
    let divisor = (1..=most).rev().find(|copies| count.is_multiple_of(*copies)).unwrap_or(1);
    if divisor * 2 >= most { divisor } else { most }
}
