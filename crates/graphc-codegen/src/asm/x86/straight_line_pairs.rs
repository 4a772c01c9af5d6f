//! What steps of straight-line code in pairs become where that is more than a longer form of the same instruction:
//! loads and stores of two vectors, joins, masks.

use super::register::{Width, ymm};
use super::straight_line::{Assembler, N_MASKS};
use super::straight_line_steps::{LOAD, MOVE, SPLAT, STORE, predicate};
use crate::asm::masks::Mask;
use crate::asm::pairs::are_neighbours;
use crate::asm::straight_line::{Spot, Step, VECTOR_BYTES};
use crate::asm::straight_line_registers::{Place, Placed};
use graphc_ir::scalar::{CmpOp, LANES};
use graphc_ir::types::WORD_BYTES;
use iced_x86::{Code, IcedError, Instruction, MemoryOperand, Register};

/// Has a bit for every high lane.
const HIGH_LANES: Register = Register::K6;
/// For an instruction that needs a mask.
const SCRATCH_MASK: Register = Register::K7;
/// Of the masks that live on. In place of `K0` instructions take all lanes.
const FIRST_MASK: Register = Register::K1;
const _: () = assert!(N_MASKS == HIGH_LANES as usize - FIRST_MASK as usize);

/// Loads eight words and leaves the other lanes anything.
const LOAD_LOW: Code = Code::EVEX_Vmovups_ymm_k1z_ymmm256;
const STORE_LOW: Code = Code::EVEX_Vmovups_ymmm256_k1z_ymm;
const INSERT_HIGH: Code = Code::EVEX_Vinsertf32x8_zmm_k1z_zmm_ymmm256_imm8;
const EXTRACT_HIGH: Code = Code::EVEX_Vextractf32x8_ymmm256_k1z_zmm_imm8;

impl Assembler<'_> {
    /// Sets the mask of the high lanes.
    pub(super) fn set_upper_mask(&mut self) -> Result<(), IcedError> {
        self.all_lanes(HIGH_LANES)?;
        self.add(Instruction::with3(Code::VEX_Kshiftlw_kr_kr_imm8, HIGH_LANES, HIGH_LANES, LANES as u32)?)
    }

    fn all_lanes(&mut self, mask: Register) -> Result<(), IcedError> {
        self.add(Instruction::with3(Code::VEX_Kxnorw_kr_kr_kr, mask, mask, mask)?)
    }

    pub(super) fn load_pair(&mut self, to: usize, low: Spot, high: Spot, is_splat: bool) -> Result<(), IcedError> {
        let place = self.there(low.pointer, low.offset)?;
        match is_splat {
            true => self.add(Instruction::with2(self.code(SPLAT), self.vector(to), place)?)?,
            false if low == high => return self.load_same(to, place),
            false if are_neighbours(low, high) => {
                return self.add(Instruction::with2(self.code(LOAD), self.vector(to), place)?);
            }
            false => self.add(Instruction::with2(LOAD_LOW, ymm(to), place)?)?,
        }
        if low == high {
            return Ok(());
        }
        let place = self.there(high.pointer, high.offset)?;
        let register = self.vector(to);
        if is_splat {
            let mut high = Instruction::with2(self.code(SPLAT), register, place)?;
            high.set_op_mask(HIGH_LANES);
            return self.add(high);
        }
        self.add(Instruction::with4(INSERT_HIGH, register, register, place, 1)?)
    }

    pub(super) fn store_pair(&mut self, value: usize, low: Spot, high: Spot) -> Result<(), IcedError> {
        let place = self.there(low.pointer, low.offset)?;
        if are_neighbours(low, high) {
            return self.add(Instruction::with2(self.code(STORE), place, self.vector(value))?);
        }
        self.add(Instruction::with2(STORE_LOW, place, ymm(value))?)?;
        let place = self.there(high.pointer, high.offset)?;
        self.add(Instruction::with3(EXTRACT_HIGH, place, self.vector(value), 1)?)
    }

    /// Loads a vector, or a pair of them, from places in the table: the same place for one without partner.
    pub(super) fn load_vectors(&mut self, to: usize, [low, high]: [MemoryOperand; 2]) -> Result<(), IcedError> {
        let register = self.vector(to);
        match high.displacement - low.displacement {
            0 => self.load_same(to, low),
            distance if distance == i64::from(VECTOR_BYTES) => {
                self.add(Instruction::with2(self.code(LOAD), register, low)?)
            }
            _ => {
                self.add(Instruction::with2(LOAD_LOW, ymm(to), low)?)?;
                self.add(Instruction::with4(INSERT_HIGH, register, register, high, 1)?)
            }
        }
    }

    /// The opposite.
    pub(super) fn store_vectors(&mut self, from: usize, [low, high]: [MemoryOperand; 2]) -> Result<(), IcedError> {
        let register = self.vector(from);
        match high.displacement - low.displacement {
            0 if self.width == Width::Zmm => self.add(Instruction::with2(STORE_LOW, low, ymm(from))?),
            distance if distance == 0 || distance == i64::from(VECTOR_BYTES) => {
                self.add(Instruction::with2(self.code(STORE), low, register)?)
            }
            _ => {
                self.add(Instruction::with2(STORE_LOW, low, ymm(from))?)?;
                self.add(Instruction::with3(EXTRACT_HIGH, high, register, 1)?)
            }
        }
    }

    /// A gather of one or two vectors into lanes that are cleared before.
    pub(super) fn gather_by_mask(&mut self, placed: &Placed, from: Spot, width: Width) -> Result<(), IcedError> {
        let Place::Register(index) = placed.sources[0] else { unreachable!("indices are results") };
        let to = self.vector(placed.result);
        self.all_lanes(SCRATCH_MASK)?;
        self.add(Instruction::with3(Code::EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32, to, to, to)?)?;
        let base = self.there(from.pointer, 0)?.base;
        let index = width.register(index);
        let (scale, offset) = (WORD_BYTES as u32, i64::from(from.offset));
        let place = MemoryOperand::with_base_index_scale_displ_size(base, index, scale, offset, 1);
        let code = width.of([
            Code::EVEX_Vgatherdps_xmm_k1_vm32x,
            Code::EVEX_Vgatherdps_ymm_k1_vm32y,
            Code::EVEX_Vgatherdps_zmm_k1_vm32z,
        ]);
        let mut gather = Instruction::with2(code, width.register(placed.result), place)?;
        gather.set_op_mask(SCRATCH_MASK);
        self.add(gather)
    }

    /// Each half of the result is a half of an operand: two of its 128-bit quarters.
    pub(super) fn join(&mut self, placed: &Placed, are_high: [bool; 2]) -> Result<(), IcedError> {
        let quarters = are_high.map(|is_high| if is_high { 0b11_10 } else { 0b01_00 });
        let code = Code::EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8;
        let low = self.in_register(placed, 0)?;
        let (to, low) = (self.vector(placed.result), self.vector(low));
        let lanes = quarters[0] | quarters[1] << 4;
        self.add(match placed.sources[1] {
            Place::Register(high) => Instruction::with4(code, to, low, self.vector(high), lanes)?,
            place => Instruction::with4(code, to, low, self.in_table(place), lanes)?,
        })
    }

    /// A comparison writes a mask, and its result as words is made of that.
    pub(super) fn compare_to_mask(&mut self, placed: &Placed) -> Result<(), IcedError> {
        let is_complement = placed.mask.is_some_and(|mask| mask.is_complement);
        let to = placed.mask.map_or(SCRATCH_MASK, mask_register);
        let (code, predicate) = match placed.step {
            Step::Compare(op, ..) if is_complement => (Code::EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae, complement(op)),
            Step::Compare(op, ..) => (Code::EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae, predicate(op)),
            Step::CompareIntegers { is_greater, .. } => {
                // 0 is equal, 6 greater; bit 2 turns a predicate around.
                let holds = if is_greater { 6 } else { 0 };
                (Code::EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8, holds ^ (u32::from(is_complement) << 2))
            }
            step => unreachable!("{step:?} compares nothing"),
        };
        let first = self.in_register(placed, 0)?;
        let first = self.vector(first);
        self.add(match placed.sources[1] {
            Place::Register(second) => Instruction::with4(code, to, first, self.vector(second), predicate)?,
            place => Instruction::with4(code, to, first, self.in_table(place), predicate)?,
        })?;
        if placed.mask.is_some() {
            return Ok(());
        }
        self.add(Instruction::with2(Code::EVEX_Vpmovm2d_zmm_kr, self.vector(placed.result), to)?)
    }

    /// The words of one operand where the other one, a mask, has bits or, for [`Step::AndNot`], none.
    pub(super) fn masked(&mut self, placed: &Placed) -> Result<(), IcedError> {
        let (mask, value) = match (placed.sources[0], placed.sources[1]) {
            (Place::Mask(mask), value) | (value, Place::Mask(mask)) => (mask, value),
            places => unreachable!("{places:?} are no mask"),
        };
        let mut register = mask_register(mask);
        if mask.is_complement != matches!(placed.step, Step::AndNot(..)) {
            self.add(Instruction::with2(Code::VEX_Knotw_kr_kr, SCRATCH_MASK, register)?)?;
            register = SCRATCH_MASK;
        }
        let to = self.vector(placed.result);
        let mut masked = match value {
            Place::Table(offset) if offset >= self.layout.slot_offset(0) => {
                Instruction::with2(self.code(LOAD), to, self.at(offset))?
            }
            value => {
                let value = self.register_or_scratch(placed.scratch, value)?;
                Instruction::with2(self.code(MOVE), to, self.vector(value))?
            }
        };
        masked.set_op_mask(register);
        masked.set_zeroing_masking(true);
        self.add(masked)
    }

    /// `vblendmps` takes the second operand where the mask has bits.
    pub(super) fn blend_by_mask(&mut self, placed: &Placed) -> Result<(), IcedError> {
        let (mut then, mut otherwise) = (placed.sources[1], placed.sources[2]);
        let mask = match placed.sources[0] {
            Place::Mask(mask) => {
                if mask.is_complement {
                    (then, otherwise) = (otherwise, then);
                }
                mask_register(mask)
            }
            place => {
                let words = self.register_or_scratch(placed.scratch, place)?;
                self.add(Instruction::with2(Code::EVEX_Vpmovd2m_kr_zmm, SCRATCH_MASK, self.vector(words))?)?;
                SCRATCH_MASK
            }
        };
        let otherwise = self.register_or_scratch(placed.scratch, otherwise)?;
        let (to, otherwise) = (self.vector(placed.result), self.vector(otherwise));
        let code = Code::EVEX_Vblendmps_zmm_k1z_zmm_zmmm512b32;
        let mut blend = match then {
            Place::Register(then) => Instruction::with3(code, to, otherwise, self.vector(then))?,
            place => Instruction::with3(code, to, otherwise, self.in_table(place))?,
        };
        blend.set_op_mask(mask);
        self.add(blend)
    }
}

fn mask_register(mask: Mask) -> Register {
    FIRST_MASK + mask.register as u32
}

/// The predicate of `vcmpps` that holds where the other one does not.
fn complement(op: CmpOp) -> u32 {
    // Bit 2 turns a predicate around; each has a form that does not signal.
    predicate(op) ^ 4
}
