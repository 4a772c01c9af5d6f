//! Transposed copies with 256-bit vectors.

use super::register::ymm;
use crate::asm::transpose::{SIDE, TransposeShape};
use graphc_ir::types::WORD_BYTES;
use iced_x86::code_asm::{CodeAssembler, rdi, rdx, rsi};
use iced_x86::{Code, IcedError, Instruction, MemoryOperand, Register};

/// Machine code of a copy.
pub(super) fn assemble(shape: TransposeShape) -> Result<Vec<u8>, IcedError> {
    let mut asm = CodeAssembler::new(64)?;
    let (mut head, mut end) = (asm.create_label(), asm.create_label());
    asm.test(rdx, rdx)?;
    asm.jle(end)?;
    asm.set_label(&mut head)?;
    square(&mut asm, shape)?;
    asm.add(rdi, shape.vector_stride * SIDE as i32)?;
    asm.add(rsi, (SIDE * WORD_BYTES) as i32)?;
    asm.dec(rdx)?;
    asm.jne(head)?;
    asm.set_label(&mut end)?;
    asm.vzeroupper()?;
    asm.ret()?;
    asm.assemble(0)
}

/// Eight vectors become eight rows.
fn square(asm: &mut CodeAssembler, shape: TransposeShape) -> Result<(), IcedError> {
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
    Ok(())
}
