//! The assembler of tiles for x86-64 with FMA.

use super::register::{N_VEX_REGISTERS, Width, memory, xmm, ymm};
use super::straight_line;
use crate::asm::straight_line::LINE_BYTES;
use crate::asm::straight_line_registers::StraightLinePlan;
use crate::asm::tile::{CELL_BYTES, Count, End, Start, TileShape};
use crate::asm::tile_registers::{Action, Operand, TilePlan};
use crate::asm::tile_sums::{Lanes, Place};
use iced_x86::code_asm::{
    AsmRegister64, CodeAssembler, eax, qword_ptr, r8, r9, r10, r11, r12, r13, r14, rax, rbp, rbx, rcx, rdi, rdx, rsi,
};
use iced_x86::{Code, IcedError, Instruction, MemoryOperand, Register};
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
/// Has a bit for every lane of the upper half.
const UPPER_HALF: Register = Register::K1;
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
    pub(super) plan: &'t TilePlan,
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
        if self.plan.step.iter().any(|action| matches!(action, Action::Load(_, operand) if operand.has_two_words())) {
            self.asm.mov(eax, 0xff00)?;
            self.add(Instruction::with2(Code::VEX_Kmovw_kr_r32, UPPER_HALF, Register::EAX)?)?;
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
            End::Sum => {
                self.join_lanes()?;
                self.put_sums()?;
            }
            End::Vector => self.store_vectors()?,
            End::Epilogue => {
                let plan = self.plan.epilogue.as_ref().expect("`TilePlan::of` makes it for such a tile");
                if self.width == Width::Zmm && plan.pairs.is_none() {
                    self.store_accumulators(plan)?;
                }
                straight_line::append(&mut self.asm, &self.shape.epilogue, plan, OUT, &EPILOGUE_POINTERS)?;
            }
        }
        for &register in saved.iter().rev() {
            self.asm.pop(register)?;
        }
        self.asm.vzeroupper()?;
        self.asm.ret()
    }

    /// The registers of sums, with their places from `out`.
    fn sums(&self) -> Vec<(usize, Place)> {
        let plan = self.plan;
        plan.sums.iter().map(|sums| sums.place(&self.shape.out)).enumerate().collect()
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
        for (number, place) in self.sums() {
            match self.shape.start {
                Start::Zero => self.clear(number)?,
                Start::Out | Start::Table(_) => self.load_sums(number, from, place)?,
            }
        }
        Ok(())
    }

    fn clear(&mut self, register: usize) -> Result<(), IcedError> {
        // The 128-bit form clears the whole register.
        let xmm = xmm(register);
        let is_new = register >= N_VEX_REGISTERS;
        let code = if is_new { Code::EVEX_Vxorps_xmm_k1z_xmm_xmmm128b32 } else { Code::VEX_Vxorps_xmm_xmm_xmmm128 };
        self.add(Instruction::with3(code, xmm, xmm, xmm)?)
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
            return Some(self.plan.sums.len() as u64);
        };
        let Count::Constant(count) = reduction.count else { return None };
        let all = u64::from(count) * self.n_fmas(level + 1)?;
        (count <= 1 || all <= MAX_COPIED_FMAS).then_some(all)
    }

    fn emit_step(&mut self, offsets: [i32; 2]) -> Result<(), IcedError> {
        self.fetch_ahead(offsets)?;
        for &action in &self.plan.step {
            match action {
                Action::Load(register, operand) => self.load(register, operand, offsets)?,
                Action::Fma(acc, first, second) => {
                    let [acc, first, second] = [acc, first, second].map(|register| self.vector(register));
                    self.add(Instruction::with3(self.fma(), acc, first, second)?)?;
                }
                Action::FmaMemory(acc, first, operand) => {
                    let [acc, first] = [acc, first].map(|register| self.vector(register));
                    let (Lanes::Vector(at) | Lanes::Splat(at)) = operand.lanes else {
                        unreachable!("a unit multiplies vectors and splats in memory")
                    };
                    let place = memory(FACTORS[operand.factor], at + offsets[operand.factor]);
                    let mut fma = Instruction::with3(self.fma(), acc, first, place)?;
                    fma.set_is_broadcast(matches!(operand.lanes, Lanes::Splat(_)));
                    self.add(fma)?;
                }
            }
        }
        Ok(())
    }

    /// Loads an operand of a step; `offsets` are bytes added to the factors' pointers.
    fn load(&mut self, register: usize, operand: Operand, offsets: [i32; 2]) -> Result<(), IcedError> {
        let place = |at: i32| memory(FACTORS[operand.factor], at);
        let to = self.vector(register);
        match operand.lanes.moved(offsets[operand.factor]) {
            Lanes::Vector(at) => self.add(Instruction::with2(self.load_code(), to, place(at))?),
            Lanes::Splat(at) => self.add(Instruction::with2(self.splat_code(), to, place(at))?),
            Lanes::Twice(at) => self.add(Instruction::with2(Code::EVEX_Vbroadcastf32x8_zmm_k1z_m256, to, place(at))?),
            Lanes::Apart(low, high) => self.load_halves(register, [place(low), place(high)]),
            Lanes::Splats(low, high) => {
                self.add(Instruction::with2(self.splat_code(), to, place(low))?)?;
                let mut upper = Instruction::with2(self.splat_code(), to, place(high))?;
                upper.set_op_mask(UPPER_HALF);
                self.add(upper)
            }
        }
    }

    /// Loads eight words into each half of a register.
    fn load_halves(&mut self, register: usize, [low, high]: [MemoryOperand; 2]) -> Result<(), IcedError> {
        let to = self.vector(register);
        self.add(Instruction::with2(Code::EVEX_Vmovups_ymm_k1z_ymmm256, ymm(register), low)?)?;
        self.add(Instruction::with4(Code::EVEX_Vinsertf32x8_zmm_k1z_zmm_ymmm256_imm8, to, to, high, 1)?)
    }

    /// Loads sums from where they stand.
    fn load_sums(&mut self, register: usize, base: AsmRegister64, place: Place) -> Result<(), IcedError> {
        match place {
            Place::Whole(at) => {
                self.add(Instruction::with2(self.load_code(), self.vector(register), memory(base, at))?)
            }
            Place::Lower(at) => {
                let code = Code::EVEX_Vmovups_ymm_k1z_ymmm256;
                self.add(Instruction::with2(code, ymm(register), memory(base, at))?)
            }
            Place::Halves(low, high) => self.load_halves(register, [memory(base, low), memory(base, high)]),
        }
    }

    /// Stores sums where they stand.
    fn store_sums(&mut self, register: usize, base: AsmRegister64, place: Place) -> Result<(), IcedError> {
        let lower = |at: i32| Instruction::with2(Code::EVEX_Vmovups_ymmm256_k1z_ymm, memory(base, at), ymm(register));
        match place {
            Place::Whole(at) => {
                self.add(Instruction::with2(self.store_code(), memory(base, at), self.vector(register))?)
            }
            Place::Lower(at) => self.add(lower(at)?),
            Place::Halves(low, high) => {
                self.add(lower(low)?)?;
                let code = Code::EVEX_Vextractf32x8_ymmm256_k1z_zmm_imm8;
                self.add(Instruction::with3(code, memory(base, high), self.vector(register), 1)?)
            }
        }
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
        self.width.of([
            Code::VEX_Vfmadd231ps_xmm_xmm_xmmm128,
            Code::VEX_Vfmadd231ps_ymm_ymm_ymmm256,
            Code::EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er,
        ])
    }

    fn load_code(&self) -> Code {
        self.width.of([
            Code::VEX_Vmovups_xmm_xmmm128,
            Code::VEX_Vmovups_ymm_ymmm256,
            Code::EVEX_Vmovups_zmm_k1z_zmmm512,
        ])
    }

    pub(super) fn store_code(&self) -> Code {
        self.width.of([
            Code::VEX_Vmovups_xmmm128_xmm,
            Code::VEX_Vmovups_ymmm256_ymm,
            Code::EVEX_Vmovups_zmmm512_k1z_zmm,
        ])
    }

    fn splat_code(&self) -> Code {
        self.width.of([
            Code::VEX_Vbroadcastss_xmm_m32,
            Code::VEX_Vbroadcastss_ymm_m32,
            Code::EVEX_Vbroadcastss_zmm_k1z_xmmm32,
        ])
    }

    pub(super) fn add_code(&self) -> Code {
        self.width.of([
            Code::VEX_Vaddps_xmm_xmm_xmmm128,
            Code::VEX_Vaddps_ymm_ymm_ymmm256,
            Code::EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er,
        ])
    }

    /// Stores all sums from a pointer on, where [`Self::sums`] says.
    fn store_vectors(&mut self) -> Result<(), IcedError> {
        self.sums().into_iter().try_for_each(|(register, place)| self.store_sums(register, OUT, place))
    }

    /// Stores all sums where the table of the epilogue has the accumulators.
    fn store_accumulators(&mut self, plan: &StraightLinePlan) -> Result<(), IcedError> {
        let cells: Vec<i32> = (0..self.shape.out.len()).map(|cell| plan.table.acc_offset(cell)).collect();
        let sums = &self.plan.sums;
        (0..).zip(sums).try_for_each(|(register, sums)| self.store_sums(register, OUT, sums.place(&cells)))
    }

    /// Registers of an 8-lane accumulator.
    pub(super) fn n_parts(&self) -> usize {
        self.width.of([2, 1, 1])
    }

    /// Cells of a register, one if it holds a part of it.
    pub(super) fn n_cells_per_register(&self) -> usize {
        self.width.of([1, 1, 2])
    }

    pub(super) fn register_bytes(&self) -> i32 {
        self.width.of([CELL_BYTES / 2, CELL_BYTES, CELL_BYTES * 2])
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
