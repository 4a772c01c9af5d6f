//! Copies from vectors of samples to rows of features as assembled functions: eight vectors at a time, transposed in
//! registers.

use iced_x86::code_asm::{CodeAssembler, rdi, rdx, rsi};
use iced_x86::{Code, IcedError, Instruction, MemoryOperand, Register};
use std::fmt;

/// Vectors that are transposed together, and words of each.
pub(crate) const SIDE: usize = 8;

/// A function `fn(from: *const f32, to: *mut f32, count: i64)` in the System V convention: `count` squares of eight
/// vectors each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TransposeShape {
    /// Bytes from one vector to the next.
    pub(crate) vector_stride: i32,
    /// Bytes from one row to the next.
    pub(crate) row_stride: i32,
}

impl fmt::Display for TransposeShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "transpose vectors {} apart to rows {} apart", self.vector_stride, self.row_stride)
    }
}

/// Machine code of a copy, for AVX; none if it reaches farther than an instruction can.
pub(crate) fn assemble(shape: TransposeShape) -> Result<Option<Vec<u8>>, IcedError> {
    let side = SIDE as i32;
    let reach = [shape.vector_stride, shape.row_stride].map(|stride| stride.checked_mul(side));
    let [Some(square), Some(_)] = reach else { return Ok(None) };
    let mut asm = CodeAssembler::new(64)?;
    let (mut head, mut end) = (asm.create_label(), asm.create_label());
    asm.test(rdx, rdx)?;
    asm.jle(end)?;
    asm.set_label(&mut head)?;
    let place = |base: Register, stride: i32, number: usize| {
        MemoryOperand::with_base_displ(base, i64::from(stride) * number as i64)
    };
    for number in 0..SIDE {
        let from = place(Register::RDI, shape.vector_stride, number);
        asm.add_instruction(Instruction::with2(Code::VEX_Vmovups_ymm_ymmm256, ymm(number), from)?)?;
    }
    // Words of neighbouring vectors side by side, then pairs of them, then the halves of the registers.
    for pair in 0..SIDE / 2 {
        let [first, second] = [ymm(2 * pair), ymm(2 * pair + 1)];
        let codes = [Code::VEX_Vunpcklps_ymm_ymm_ymmm256, Code::VEX_Vunpckhps_ymm_ymm_ymmm256];
        for (half, code) in codes.into_iter().enumerate() {
            asm.add_instruction(Instruction::with3(code, ymm(SIDE + 2 * pair + half), first, second)?)?;
        }
    }
    for four in 0..SIDE / 4 {
        for half in 0..2 {
            let [first, second] = [SIDE + 4 * four + half, SIDE + 4 * four + 2 + half].map(ymm);
            for (high, order) in [0x44, 0xee].into_iter().enumerate() {
                let to = ymm(4 * four + 2 * half + high);
                let code = Code::VEX_Vshufps_ymm_ymm_ymmm256_imm8;
                asm.add_instruction(Instruction::with4(code, to, first, second, order)?)?;
            }
        }
    }
    for row in 0..SIDE {
        let [first, second] = [row % 4, 4 + row % 4].map(ymm);
        let halves = if row < 4 { 0x20 } else { 0x31 };
        let (code, to) = (Code::VEX_Vperm2f128_ymm_ymm_ymmm256_imm8, ymm(SIDE + row));
        asm.add_instruction(Instruction::with4(code, to, first, second, halves)?)?;
        let target = place(Register::RSI, shape.row_stride, row);
        asm.add_instruction(Instruction::with2(Code::VEX_Vmovups_ymmm256_ymm, target, to)?)?;
    }
    asm.add(rdi, square)?;
    asm.add(rsi, side * size_of::<f32>() as i32)?;
    asm.dec(rdx)?;
    asm.jne(head)?;
    asm.set_label(&mut end)?;
    asm.vzeroupper()?;
    asm.ret()?;
    asm.assemble(0).map(Some)
}

fn ymm(number: usize) -> Register {
    Register::YMM0 + number as u32
}
