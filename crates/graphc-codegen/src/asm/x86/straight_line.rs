//! The assembler of straight-line loops for x86-64 with AVX2 and FMA.

use super::register::{xmm, ymm};
use crate::asm::straight_line::{Step, StraightLine, Table};
use crate::asm::straight_line_registers::{Place, Placed, StraightLinePlan};
use graphc_ir::scalar::{BinaryOp, CmpOp};
use graphc_ir::types::WORD_BYTES;
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

const MOVE: Code = Code::VEX_Vmovaps_ymm_ymmm256;
const LOAD: Code = Code::VEX_Vmovups_ymm_ymmm256;
const STORE: Code = Code::VEX_Vmovups_ymmm256_ymm;

/// Machine code of a loop.
pub(super) fn assemble(shape: &StraightLine, plan: &StraightLinePlan) -> Result<Vec<u8>, IcedError> {
    let mut asm = CodeAssembler::new(64)?;
    Assembler::new(&mut asm, shape, plan.table, (TABLE, &POINTERS)).function(plan)?;
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
    let mut assembler = Assembler::new(asm, shape, plan.table, (table, pointers));
    assembler.load_pointers()?;
    assembler.load_constants(plan)?;
    plan.steps.iter().try_for_each(|placed| assembler.step(placed))
}

struct Assembler<'s> {
    asm: &'s mut CodeAssembler,
    shape: &'s StraightLine,
    layout: Table,
    /// The address of the table.
    table: AsmRegister64,
    /// Of each pointer, its register if it has one.
    pointers: Vec<Option<AsmRegister64>>,
    /// The register of those that have none, and whose value it has.
    passing: AsmRegister64,
    passes: Option<usize>,
}

impl<'s> Assembler<'s> {
    fn new(
        asm: &'s mut CodeAssembler,
        shape: &'s StraightLine,
        layout: Table,
        (table, registers): (AsmRegister64, &[AsmRegister64]),
    ) -> Assembler<'s> {
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
        Assembler { asm, shape, layout, table, pointers, passing, passes: None }
    }

    fn function(&mut self, plan: &StraightLinePlan) -> Result<(), IcedError> {
        let shape = self.shape;
        let mut end = self.asm.create_label();
        self.asm.test(COUNT, COUNT)?;
        self.asm.jle(end)?;
        let n_used = shape.strides.len().min(POINTERS.len());
        let saved_pointers = &POINTERS[N_FREE_POINTERS.min(n_used)..n_used];
        let saved = [&INNER_COUNTS[..shape.inner.len()], saved_pointers].concat();
        saved.iter().try_for_each(|&register| self.asm.push(register))?;
        self.load_pointers()?;
        for acc in 0..shape.n_accs {
            self.add(Instruction::with2(LOAD, ymm(acc), self.at(self.layout.acc_offset(acc)))?)?;
        }
        self.load_constants(plan)?;
        self.loops(plan, 0)?;
        saved.iter().rev().try_for_each(|&register| self.asm.pop(register))?;
        for acc in 0..shape.n_accs {
            self.add(Instruction::with2(STORE, self.at(self.layout.acc_offset(acc)), ymm(acc))?)?;
        }
        self.asm.set_label(&mut end)?;
        self.asm.vzeroupper()?;
        self.asm.ret()
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
    fn there(&mut self, pointer: usize, offset: i32) -> Result<MemoryOperand, IcedError> {
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
        for &(constant, register) in &plan.kept {
            let place = self.at(self.layout.constant_offset(constant));
            self.add(Instruction::with2(LOAD, ymm(register), place)?)?;
        }
        Ok(())
    }

    /// A place in the table.
    fn at(&self, offset: i32) -> MemoryOperand {
        MemoryOperand::with_base_displ(self.table.into(), i64::from(offset))
    }

    fn step(&mut self, placed: &Placed) -> Result<(), IcedError> {
        let to = placed.result;
        if let Some((register, offset)) = placed.spilled {
            self.add(Instruction::with2(STORE, self.at(offset), ymm(register))?)?;
        }
        match placed.step {
            Step::Load { .. }
            | Step::Gather { .. }
            | Step::Store { .. }
            | Step::StoreOne { .. }
            | Step::Fetch { .. } => self.memory(placed),
            Step::LoadIndex { .. } | Step::Point { .. } => self.index(placed.step),
            Step::Integer { pointer } => self.integer(to, pointer),
            Step::Copy(_) => self.fetch(to, placed.sources[0]),
            Step::Swap { distance, .. } => self.swap(placed, distance),
            Step::Set { acc, .. } => {
                if placed.sources[0] == Place::Register(acc) {
                    Ok(())
                } else {
                    self.fetch(acc, placed.sources[0])
                }
            }
            Step::ToF32(_) => self.two(Code::VEX_Vcvtdq2ps_ymm_ymmm256, to, placed.sources[0]),
            Step::Shift { op, by, .. } => self.shift(placed, (op, by)),
            Step::CompareIntegers { is_greater, .. } => self.three(
                match is_greater {
                    true => Code::VEX_Vpcmpgtd_ymm_ymm_ymmm256,
                    false => Code::VEX_Vpcmpeqd_ymm_ymm_ymmm256,
                },
                placed,
            ),
            Step::Nearest { is_smaller, .. } => self.three(
                match is_smaller {
                    true => Code::VEX_Vpminsd_ymm_ymm_ymmm256,
                    false => Code::VEX_Vpmaxsd_ymm_ymm_ymmm256,
                },
                placed,
            ),
            Step::Sqrt(_) => self.two(Code::VEX_Vsqrtps_ymm_ymmm256, to, placed.sources[0]),
            Step::Binary(op, ..) => self.three(binary(op), placed),
            Step::And(..) => self.three(Code::VEX_Vandps_ymm_ymm_ymmm256, placed),
            Step::AndNot(..) => self.three(Code::VEX_Vandnps_ymm_ymm_ymmm256, placed),
            Step::Xor(..) => self.three(Code::VEX_Vxorps_ymm_ymm_ymmm256, placed),
            Step::Compare(op, ..) => self.compare(placed, op),
            Step::Blend { .. } => self.blend(placed),
            Step::Fma(..) => self.fma(placed),
        }
    }

    /// Loads, a store or a hint.
    fn memory(&mut self, placed: &Placed) -> Result<(), IcedError> {
        let to = placed.result;
        match placed.step {
            Step::Load { pointer, offset, is_splat } => {
                let code = if is_splat { Code::VEX_Vbroadcastss_ymm_m32 } else { LOAD };
                let place = self.there(pointer, offset)?;
                self.add(Instruction::with2(code, ymm(to), place)?)
            }
            Step::Gather { pointer, offset, .. } => self.gather(placed, (pointer, offset)),
            Step::Store { pointer, offset, .. } => {
                let value = self.in_register(placed, 0)?;
                let place = self.there(pointer, offset)?;
                self.add(Instruction::with2(STORE, place, ymm(value))?)
            }
            Step::StoreOne { pointer, offset, .. } => {
                let value = self.in_register(placed, 0)?;
                let place = self.there(pointer, offset)?;
                self.add(Instruction::with2(Code::VEX_Vmovss_m32_xmm, place, xmm(value))?)
            }
            Step::Fetch { pointer, offset } => {
                let place = self.there(pointer, offset)?;
                self.add(Instruction::with1(Code::Prefetcht1_m8, place)?)
            }
            step => unreachable!("{step:?} reads and writes registers alone"),
        }
    }

    /// `vgatherdps` takes the words that its mask has bits for, and leaves no bit there; of its three registers none
    /// may be another one.
    fn gather(&mut self, placed: &Placed, (pointer, offset): (usize, i32)) -> Result<(), IcedError> {
        let (Place::Register(index), [to, mask]) = (placed.sources[0], [placed.result, placed.scratch].map(ymm)) else {
            unreachable!("indices are results")
        };
        self.add(Instruction::with3(Code::VEX_Vpcmpeqd_ymm_ymm_ymmm256, mask, mask, mask)?)?;
        // What was in the result's register need not be waited for.
        self.add(Instruction::with3(Code::VEX_Vxorps_ymm_ymm_ymmm256, to, to, to)?)?;
        let base = self.there(pointer, 0)?.base;
        let place =
            MemoryOperand::with_base_index_scale_displ_size(base, ymm(index), WORD_BYTES as u32, i64::from(offset), 1);
        self.add(Instruction::with3(Code::VEX_Vgatherdps_ymm_vm32y_ymm, to, place, mask)?)
    }

    /// A pointer that is computed, or an integer that stands for one.
    fn index(&mut self, step: Step) -> Result<(), IcedError> {
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

    /// What stands for a pointer, in all lanes.
    fn integer(&mut self, to: usize, pointer: usize) -> Result<(), IcedError> {
        let Some(register) = self.pointers[pointer] else {
            let place = self.at(self.layout.pointer_offset(pointer));
            return self.add(Instruction::with2(Code::VEX_Vpbroadcastd_ymm_xmmm32, ymm(to), place)?);
        };
        self.add(Instruction::with2(Code::VEX_Vmovd_xmm_rm32, xmm(to), word_of(register))?)?;
        self.add(Instruction::with2(Code::VEX_Vpbroadcastd_ymm_xmmm32, ymm(to), xmm(to))?)
    }

    /// Every lane's other lane at a distance.
    fn swap(&mut self, placed: &Placed, distance: u8) -> Result<(), IcedError> {
        let (code, lanes) = match distance {
            4 => (Code::VEX_Vperm2f128_ymm_ymm_ymmm256_imm8, 0x01),
            2 => (Code::VEX_Vshufpd_ymm_ymm_ymmm256_imm8, 0b0101),
            _ => (Code::VEX_Vshufps_ymm_ymm_ymmm256_imm8, 0xb1),
        };
        let value = ymm(self.in_register(placed, 0)?);
        self.add(Instruction::with4(code, ymm(placed.result), value, value, lanes)?)
    }

    fn shift(&mut self, placed: &Placed, (op, by): (BinaryOp, u8)) -> Result<(), IcedError> {
        let code = match op {
            BinaryOp::IShl => Code::VEX_Vpslld_ymm_ymm_imm8,
            _ => Code::VEX_Vpsrld_ymm_ymm_imm8,
        };
        let value = self.in_register(placed, 0)?;
        self.add(Instruction::with3(code, ymm(placed.result), ymm(value), u32::from(by))?)
    }

    fn compare(&mut self, placed: &Placed, op: CmpOp) -> Result<(), IcedError> {
        let to = ymm(placed.result);
        let first = self.in_register(placed, 0)?;
        let code = Code::VEX_Vcmpps_ymm_ymm_ymmm256_imm8;
        let predicate = predicate(op);
        self.add(match placed.sources[1] {
            Place::Register(second) => Instruction::with4(code, to, ymm(first), ymm(second), predicate)?,
            Place::Table(offset) => Instruction::with4(code, to, ymm(first), self.at(offset), predicate)?,
        })
    }

    /// `to = first op second`. The second operand may stand in the table, and so may the first one if it is the same
    /// whichever comes first.
    fn three(&mut self, code: Code, placed: &Placed) -> Result<(), IcedError> {
        let (first, second) = match placed.sources[..] {
            [first @ Place::Table(_), second @ Place::Register(_)] if placed.step.is_commutative() => (second, first),
            [first, second] => (first, second),
            _ => unreachable!("{:?} has two operands", placed.step),
        };
        let first = self.register_or_scratch(placed.scratch, first)?;
        let to = ymm(placed.result);
        self.add(match second {
            Place::Register(second) => Instruction::with3(code, to, ymm(first), ymm(second))?,
            Place::Table(offset) => Instruction::with3(code, to, ymm(first), self.at(offset))?,
        })
    }

    /// `vblendvps` takes the second operand where the mask is set.
    fn blend(&mut self, placed: &Placed) -> Result<(), IcedError> {
        let (mask, then, otherwise) = (placed.sources[0], placed.sources[1], placed.sources[2]);
        let Place::Register(mask) = mask else { unreachable!("masks are results") };
        let otherwise = match otherwise {
            Place::Register(register) => register,
            place => {
                self.fetch(placed.scratch, place)?;
                placed.scratch
            }
        };
        let (code, to) = (Code::VEX_Vblendvps_ymm_ymm_ymmm256_ymm, ymm(placed.result));
        self.add(match then {
            Place::Register(then) => Instruction::with4(code, to, ymm(otherwise), ymm(then), ymm(mask))?,
            Place::Table(offset) => Instruction::with4(code, to, ymm(otherwise), self.at(offset), ymm(mask))?,
        })
    }

    /// `to = a * b + c`. If `to` is the register of `c` (an accumulator) nothing is copied; otherwise `c` is brought
    /// there first.
    fn fma(&mut self, placed: &Placed) -> Result<(), IcedError> {
        let [a, b, c] = [0, 1, 2].map(|source| placed.sources[source]);
        let to = placed.result;
        let code231 = Code::VEX_Vfmadd231ps_ymm_ymm_ymmm256;
        // An accumulator may be a factor, too; then it must not be overwritten before it is read.
        if c != Place::Register(to) && (a == Place::Register(to) || b == Place::Register(to)) {
            let other = if a == Place::Register(to) { b } else { a };
            let other = self.register_or_scratch(placed.scratch, other)?;
            let code213 = Code::VEX_Vfmadd213ps_ymm_ymm_ymmm256;
            return self.add(match c {
                Place::Register(c) => Instruction::with3(code213, ymm(to), ymm(other), ymm(c))?,
                Place::Table(offset) => Instruction::with3(code213, ymm(to), ymm(other), self.at(offset))?,
            });
        }
        if c != Place::Register(to) {
            self.fetch(to, c)?;
        }
        let (first, second) = match (a, b) {
            (Place::Register(a), b) => (a, b),
            (a, Place::Register(b)) => (b, a),
            (a, b) => (self.register_or_scratch(placed.scratch, a)?, b),
        };
        self.add(match second {
            Place::Register(second) => Instruction::with3(code231, ymm(to), ymm(first), ymm(second))?,
            Place::Table(offset) => Instruction::with3(code231, ymm(to), ymm(first), self.at(offset))?,
        })
    }

    fn two(&mut self, code: Code, to: usize, from: Place) -> Result<(), IcedError> {
        self.add(match from {
            Place::Register(from) => Instruction::with2(code, ymm(to), ymm(from))?,
            Place::Table(offset) => Instruction::with2(code, ymm(to), self.at(offset))?,
        })
    }

    /// The register of a source, the scratch register if it stands in the table.
    fn in_register(&mut self, placed: &Placed, source: usize) -> Result<usize, IcedError> {
        self.register_or_scratch(placed.scratch, placed.sources[source])
    }

    fn register_or_scratch(&mut self, scratch: usize, place: Place) -> Result<usize, IcedError> {
        if let Place::Register(register) = place {
            return Ok(register);
        }
        self.fetch(scratch, place)?;
        Ok(scratch)
    }

    fn fetch(&mut self, to: usize, from: Place) -> Result<(), IcedError> {
        self.two(if matches!(from, Place::Register(_)) { MOVE } else { LOAD }, to, from)
    }

    fn add(&mut self, instruction: Instruction) -> Result<(), IcedError> {
        self.asm.add_instruction(instruction)
    }
}

/// The lower half of a register.
fn word_of(register: AsmRegister64) -> Register {
    Register::EAX + (Register::from(register) as u32 - Register::RAX as u32)
}

fn binary(op: BinaryOp) -> Code {
    match op {
        BinaryOp::Add => Code::VEX_Vaddps_ymm_ymm_ymmm256,
        BinaryOp::Sub => Code::VEX_Vsubps_ymm_ymm_ymmm256,
        BinaryOp::Mul => Code::VEX_Vmulps_ymm_ymm_ymmm256,
        BinaryOp::Div => Code::VEX_Vdivps_ymm_ymm_ymmm256,
        // Both give the second operand unless the comparison holds, and a zero for a subnormal one, as the loop IR
        // wants.
        BinaryOp::Max => Code::VEX_Vmaxps_ymm_ymm_ymmm256,
        BinaryOp::Min => Code::VEX_Vminps_ymm_ymm_ymmm256,
        BinaryOp::IAdd => Code::VEX_Vpaddd_ymm_ymm_ymmm256,
        BinaryOp::ISub => Code::VEX_Vpsubd_ymm_ymm_ymmm256,
        BinaryOp::IMul => Code::VEX_Vpmulld_ymm_ymm_ymmm256,
        op => unreachable!("{} is no step of a loop", op.name()),
    }
}

/// Predicate of `vcmpps`: false for NaN, but for `Ne`; none of them signals.
fn predicate(op: CmpOp) -> u32 {
    match op {
        CmpOp::Eq => 0x00,
        CmpOp::Ne => 0x04,
        CmpOp::Lt => 0x11,
        CmpOp::Le => 0x12,
        CmpOp::Ge => 0x1d,
        CmpOp::Gt => 0x1e,
    }
}
