//! What a step of straight-line code becomes: 256-bit instructions, or their 512-bit forms for pairs of vectors.

use super::register::{Width, xmm, ymm};
use super::straight_line::{Assembler, word_of};
use crate::asm::straight_line::{Spot, Step};
use crate::asm::straight_line_registers::{Place, Placed};
use graphc_ir::scalar::{BinaryOp, CmpOp, UnaryOp};
use graphc_ir::types::WORD_BYTES;
use iced_x86::{Code, IcedError, Instruction, MemoryOperand, Register};

/// An instruction for a vector, and for a pair of them.
pub(super) type Codes = [Code; 2];

pub(super) const MOVE: Codes = [Code::VEX_Vmovaps_ymm_ymmm256, Code::EVEX_Vmovaps_zmm_k1z_zmmm512];
pub(super) const LOAD: Codes = [Code::VEX_Vmovups_ymm_ymmm256, Code::EVEX_Vmovups_zmm_k1z_zmmm512];
pub(super) const STORE: Codes = [Code::VEX_Vmovups_ymmm256_ymm, Code::EVEX_Vmovups_zmmm512_k1z_zmm];
const SAME: Codes = [Code::VEX_Vmovups_ymm_ymmm256, Code::EVEX_Vbroadcastf32x8_zmm_k1z_m256];
pub(super) const SPLAT: Codes = [Code::VEX_Vbroadcastss_ymm_m32, Code::EVEX_Vbroadcastss_zmm_k1z_xmmm32];
const SPLAT_INTEGER: Codes = [Code::VEX_Vpbroadcastd_ymm_xmmm32, Code::EVEX_Vpbroadcastd_zmm_k1z_xmmm32];
const MOVE_WORD: Codes = [Code::VEX_Vmovd_xmm_rm32, Code::EVEX_Vmovd_xmm_rm32];
const STORE_VECTOR: Codes = [Code::VEX_Vmovups_ymmm256_ymm, Code::EVEX_Vmovups_ymmm256_k1z_ymm];
const STORE_WORD: Codes = [Code::VEX_Vmovss_m32_xmm, Code::EVEX_Vmovss_m32_k1_xmm];
const AND: Codes = [Code::VEX_Vandps_ymm_ymm_ymmm256, Code::EVEX_Vandps_zmm_k1z_zmm_zmmm512b32];
const AND_NOT: Codes = [Code::VEX_Vandnps_ymm_ymm_ymmm256, Code::EVEX_Vandnps_zmm_k1z_zmm_zmmm512b32];
const XOR: Codes = [Code::VEX_Vxorps_ymm_ymm_ymmm256, Code::EVEX_Vxorps_zmm_k1z_zmm_zmmm512b32];
const TO_F32: Codes = [Code::VEX_Vcvtdq2ps_ymm_ymmm256, Code::EVEX_Vcvtdq2ps_zmm_k1z_zmmm512b32_er];
const SQRT: Codes = [Code::VEX_Vsqrtps_ymm_ymmm256, Code::EVEX_Vsqrtps_zmm_k1z_zmmm512b32_er];
const ROUND: Codes = [Code::VEX_Vroundps_ymm_ymmm256_imm8, Code::EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae];
const SMALLER: Codes = [Code::VEX_Vpminsd_ymm_ymm_ymmm256, Code::EVEX_Vpminsd_zmm_k1z_zmm_zmmm512b32];
const GREATER: Codes = [Code::VEX_Vpmaxsd_ymm_ymm_ymmm256, Code::EVEX_Vpmaxsd_zmm_k1z_zmm_zmmm512b32];
const FMA_231: Codes = [Code::VEX_Vfmadd231ps_ymm_ymm_ymmm256, Code::EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er];
const FMA_213: Codes = [Code::VEX_Vfmadd213ps_ymm_ymm_ymmm256, Code::EVEX_Vfmadd213ps_zmm_k1z_zmm_zmmm512b32_er];
const SHIFT_LEFT: Codes = [Code::VEX_Vpslld_ymm_ymm_imm8, Code::EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8];
const SHIFT_RIGHT: Codes = [Code::VEX_Vpsrld_ymm_ymm_imm8, Code::EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8];

impl Assembler<'_> {
    pub(super) fn step(&mut self, placed: &Placed) -> Result<(), IcedError> {
        let to = placed.result;
        if let Some((register, offset)) = placed.spilled {
            self.add(Instruction::with2(self.code(STORE), self.at(offset), self.vector(register))?)?;
        }
        match placed.step {
            Step::Load { .. }
            | Step::Gather { .. }
            | Step::Store { .. }
            | Step::StoreOne { .. }
            | Step::LoadPair { .. }
            | Step::GatherPair { .. }
            | Step::StorePair { .. }
            | Step::Fetch { .. } => self.memory(placed),
            Step::LoadIndex { .. } | Step::Point { .. } => self.index(placed.step),
            Step::Integer { pointer } => self.integer(to, pointer),
            Step::Copy(_) => self.fetch(to, placed.sources[0]),
            Step::Swap { distance, .. } => self.swap(placed, distance),
            Step::Join { are_high, .. } => self.join(placed, are_high),
            Step::Set { acc, .. } => {
                if placed.sources[0] == Place::Register(acc) {
                    Ok(())
                } else {
                    self.fetch(acc, placed.sources[0])
                }
            }
            Step::ToF32(_) => self.two(TO_F32, to, placed.sources[0]),
            Step::Shift { op, by, .. } => self.shift(placed, (op, by)),
            Step::Nearest { is_smaller, .. } => self.three(if is_smaller { SMALLER } else { GREATER }, placed),
            Step::Round { op, .. } => self.round(placed, op),
            Step::Sqrt(_) => self.two(SQRT, to, placed.sources[0]),
            Step::Binary(op, ..) => self.three(binary(op), placed),
            Step::And(..) | Step::AndNot(..) if is_masked(placed) => self.masked(placed),
            Step::And(..) => self.three(AND, placed),
            Step::AndNot(..) => self.three(AND_NOT, placed),
            Step::Xor(..) => self.three(XOR, placed),
            Step::Compare(..) | Step::CompareIntegers { .. } => match self.width {
                Width::Zmm => self.compare_to_mask(placed),
                Width::Xmm | Width::Ymm => self.compare(placed),
            },
            Step::Blend { .. } => match self.width {
                Width::Zmm => self.blend_by_mask(placed),
                Width::Xmm | Width::Ymm => self.blend(placed),
            },
            Step::Fma(..) => self.fma(placed),
        }
    }

    /// Loads, a store or a hint.
    fn memory(&mut self, placed: &Placed) -> Result<(), IcedError> {
        let to = placed.result;
        match placed.step {
            Step::Load { pointer, offset, is_splat } => {
                let place = self.there(pointer, offset)?;
                let code = self.code(if is_splat { SPLAT } else { SAME });
                self.add(Instruction::with2(code, self.vector(to), place)?)
            }
            Step::LoadPair { low, high, is_splat } => self.load_pair(to, low, high, is_splat),
            Step::Gather { pointer, offset, .. } if self.width == Width::Ymm => self.gather(placed, (pointer, offset)),
            Step::Gather { pointer, offset, .. } => self.gather_by_mask(placed, Spot { pointer, offset }, Width::Ymm),
            Step::GatherPair { pointer, offset, .. } => {
                self.gather_by_mask(placed, Spot { pointer, offset }, Width::Zmm)
            }
            Step::Store { pointer, offset, .. } => {
                let value = self.in_register(placed, 0)?;
                let place = self.there(pointer, offset)?;
                self.add(Instruction::with2(self.code(STORE_VECTOR), place, ymm(value))?)
            }
            Step::StorePair { low, high, .. } => {
                let value = self.in_register(placed, 0)?;
                self.store_pair(value, low, high)
            }
            Step::StoreOne { pointer, offset, .. } => {
                let value = self.in_register(placed, 0)?;
                let place = self.there(pointer, offset)?;
                self.add(Instruction::with2(self.code(STORE_WORD), place, xmm(value))?)
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

    /// What stands for a pointer, in all lanes.
    fn integer(&mut self, to: usize, pointer: usize) -> Result<(), IcedError> {
        let (code, register) = (self.code(SPLAT_INTEGER), self.vector(to));
        let Some(word) = self.pointers[pointer].map(word_of) else {
            let place = self.at(self.layout.pointer_offset(pointer));
            return self.add(Instruction::with2(code, register, place)?);
        };
        self.add(Instruction::with2(self.code(MOVE_WORD), xmm(to), word)?)?;
        self.add(Instruction::with2(code, register, xmm(to))?)
    }

    /// Every lane's other lane at a distance.
    fn swap(&mut self, placed: &Placed, distance: u8) -> Result<(), IcedError> {
        let (codes, [of_vector, of_pair]) = match distance {
            4 => (
                [Code::VEX_Vperm2f128_ymm_ymm_ymmm256_imm8, Code::EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8],
                [0x01, 0b10_11_00_01],
            ),
            2 => (
                [Code::VEX_Vshufpd_ymm_ymm_ymmm256_imm8, Code::EVEX_Vshufpd_zmm_k1z_zmm_zmmm512b64_imm8],
                [0b0101, 0b0101_0101],
            ),
            _ => (
                [Code::VEX_Vshufps_ymm_ymm_ymmm256_imm8, Code::EVEX_Vshufps_zmm_k1z_zmm_zmmm512b32_imm8],
                [0b10_11_00_01; 2],
            ),
        };
        let lanes = if self.width == Width::Zmm { of_pair } else { of_vector };
        let value = self.in_register(placed, 0)?;
        let (to, value) = (self.vector(placed.result), self.vector(value));
        self.add(Instruction::with4(self.code(codes), to, value, value, lanes)?)
    }

    fn shift(&mut self, placed: &Placed, (op, by): (BinaryOp, u8)) -> Result<(), IcedError> {
        let code = self.code(if op == BinaryOp::IShl { SHIFT_LEFT } else { SHIFT_RIGHT });
        let value = self.in_register(placed, 0)?;
        self.add(Instruction::with3(code, self.vector(placed.result), self.vector(value), u32::from(by))?)
    }

    fn round(&mut self, placed: &Placed, op: UnaryOp) -> Result<(), IcedError> {
        let direction: u32 = match op {
            UnaryOp::Round => 0,
            UnaryOp::Floor => 1,
            UnaryOp::Ceil => 2,
            UnaryOp::Trunc => 3,
            op => unreachable!("{} does not round", op.name()),
        };
        let value = self.in_register(placed, 0)?;
        self.add(Instruction::with3(self.code(ROUND), self.vector(placed.result), self.vector(value), direction)?)
    }

    fn compare(&mut self, placed: &Placed) -> Result<(), IcedError> {
        let Step::Compare(op, ..) = placed.step else {
            let is_greater = matches!(placed.step, Step::CompareIntegers { is_greater: true, .. });
            let (greater, equal) = (Code::VEX_Vpcmpgtd_ymm_ymm_ymmm256, Code::VEX_Vpcmpeqd_ymm_ymm_ymmm256);
            return self.three([if is_greater { greater } else { equal }; 2], placed);
        };
        let to = ymm(placed.result);
        let first = self.in_register(placed, 0)?;
        let code = Code::VEX_Vcmpps_ymm_ymm_ymmm256_imm8;
        let predicate = predicate(op);
        self.add(match placed.sources[1] {
            Place::Register(second) => Instruction::with4(code, to, ymm(first), ymm(second), predicate)?,
            place => Instruction::with4(code, to, ymm(first), self.in_table(place), predicate)?,
        })
    }

    /// `to = first op second`. The second operand may stand in the table, and so may the first one if it is the same
    /// whichever comes first.
    fn three(&mut self, codes: Codes, placed: &Placed) -> Result<(), IcedError> {
        let (first, second) = match placed.sources[..] {
            [first @ Place::Table(_), second @ Place::Register(_)] if placed.step.is_commutative() => (second, first),
            [first, second] => (first, second),
            _ => unreachable!("{:?} has two operands", placed.step),
        };
        let first = self.register_or_scratch(placed.scratch, first)?;
        let (code, to, first) = (self.code(codes), self.vector(placed.result), self.vector(first));
        self.add(match second {
            Place::Register(second) => Instruction::with3(code, to, first, self.vector(second))?,
            place => Instruction::with3(code, to, first, self.in_table(place))?,
        })
    }

    /// `vblendvps` takes the second operand where the mask is set.
    fn blend(&mut self, placed: &Placed) -> Result<(), IcedError> {
        let (mask, then, otherwise) = (placed.sources[0], placed.sources[1], placed.sources[2]);
        let Place::Register(mask) = mask else { unreachable!("masks are results") };
        let otherwise = ymm(self.register_or_scratch(placed.scratch, otherwise)?);
        let (code, to) = (Code::VEX_Vblendvps_ymm_ymm_ymmm256_ymm, ymm(placed.result));
        self.add(match then {
            Place::Register(then) => Instruction::with4(code, to, otherwise, ymm(then), ymm(mask))?,
            place => Instruction::with4(code, to, otherwise, self.in_table(place), ymm(mask))?,
        })
    }

    /// `to = a * b + c`. If `to` is the register of `c` (an accumulator) nothing is copied; otherwise `c` is brought
    /// there first.
    fn fma(&mut self, placed: &Placed) -> Result<(), IcedError> {
        let [a, b, c] = [0, 1, 2].map(|source| placed.sources[source]);
        let to = placed.result;
        // An accumulator may be a factor, too; then it must not be overwritten before it is read.
        if c != Place::Register(to) && (a == Place::Register(to) || b == Place::Register(to)) {
            let other = if a == Place::Register(to) { b } else { a };
            let other = self.register_or_scratch(placed.scratch, other)?;
            return self.multiply_add(FMA_213, to, other, c);
        }
        if c != Place::Register(to) {
            self.fetch(to, c)?;
        }
        let (first, second) = match (a, b) {
            (Place::Register(a), b) => (a, b),
            (a, Place::Register(b)) => (b, a),
            (a, b) => (self.register_or_scratch(placed.scratch, a)?, b),
        };
        self.multiply_add(FMA_231, to, first, second)
    }

    fn multiply_add(&mut self, codes: Codes, to: usize, first: usize, second: Place) -> Result<(), IcedError> {
        let (code, to, first) = (self.code(codes), self.vector(to), self.vector(first));
        self.add(match second {
            Place::Register(second) => Instruction::with3(code, to, first, self.vector(second))?,
            place => Instruction::with3(code, to, first, self.in_table(place))?,
        })
    }

    fn two(&mut self, codes: Codes, to: usize, from: Place) -> Result<(), IcedError> {
        let (code, to) = (self.code(codes), self.vector(to));
        self.add(match from {
            Place::Register(from) => Instruction::with2(code, to, self.vector(from))?,
            place => Instruction::with2(code, to, self.in_table(place))?,
        })
    }

    /// The register of a source, the scratch register if it stands in the table.
    pub(super) fn in_register(&mut self, placed: &Placed, source: usize) -> Result<usize, IcedError> {
        self.register_or_scratch(placed.scratch, placed.sources[source])
    }

    pub(super) fn register_or_scratch(&mut self, scratch: usize, place: Place) -> Result<usize, IcedError> {
        if let Place::Register(register) = place {
            return Ok(register);
        }
        self.fetch(scratch, place)?;
        Ok(scratch)
    }

    fn fetch(&mut self, to: usize, from: Place) -> Result<(), IcedError> {
        match from {
            Place::Register(_) => self.two(MOVE, to, from),
            Place::Table(offset) if offset < self.layout.slot_offset(0) => self.load_same(to, self.at(offset)),
            _ => self.two(LOAD, to, from),
        }
    }

    /// Loads a vector of the table, for both of a pair.
    pub(super) fn load_same(&mut self, to: usize, place: MemoryOperand) -> Result<(), IcedError> {
        self.add(Instruction::with2(self.code(SAME), self.vector(to), place)?)
    }

    /// An operand in the table.
    pub(super) fn in_table(&self, place: Place) -> MemoryOperand {
        let Place::Table(offset) = place else { unreachable!("{place:?} is no operand in the table") };
        self.at(offset)
    }

    /// The register of that number.
    pub(super) fn vector(&self, number: usize) -> Register {
        self.width.register(number)
    }

    pub(super) fn code(&self, [of_vector, of_pair]: Codes) -> Code {
        if self.width == Width::Zmm { of_pair } else { of_vector }
    }
}

/// Whether an operand is a mask.
fn is_masked(placed: &Placed) -> bool {
    placed.sources.iter().any(|place| matches!(place, Place::Mask(_)))
}

fn binary(op: BinaryOp) -> Codes {
    match op {
        BinaryOp::Add => [Code::VEX_Vaddps_ymm_ymm_ymmm256, Code::EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er],
        BinaryOp::Sub => [Code::VEX_Vsubps_ymm_ymm_ymmm256, Code::EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er],
        BinaryOp::Mul => [Code::VEX_Vmulps_ymm_ymm_ymmm256, Code::EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er],
        BinaryOp::Div => [Code::VEX_Vdivps_ymm_ymm_ymmm256, Code::EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er],
        // Both give the second operand unless the comparison holds, and a zero for a subnormal one, as the loop IR
        // wants.
        BinaryOp::Max => [Code::VEX_Vmaxps_ymm_ymm_ymmm256, Code::EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae],
        BinaryOp::Min => [Code::VEX_Vminps_ymm_ymm_ymmm256, Code::EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae],
        BinaryOp::IAdd => [Code::VEX_Vpaddd_ymm_ymm_ymmm256, Code::EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32],
        BinaryOp::ISub => [Code::VEX_Vpsubd_ymm_ymm_ymmm256, Code::EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32],
        BinaryOp::IMul => [Code::VEX_Vpmulld_ymm_ymm_ymmm256, Code::EVEX_Vpmulld_zmm_k1z_zmm_zmmm512b32],
        op => unreachable!("{} is no step of a loop", op.name()),
    }
}

/// Predicate of `vcmpps`: false for NaN, but for `Ne`; none of them signals.
pub(super) fn predicate(op: CmpOp) -> u32 {
    match op {
        CmpOp::Eq => 0x00,
        CmpOp::Ne => 0x04,
        CmpOp::Lt => 0x11,
        CmpOp::Le => 0x12,
        CmpOp::Ge => 0x1d,
        CmpOp::Gt => 0x1e,
    }
}
