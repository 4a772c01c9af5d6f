//! Vector registers and places in memory, for the crate that encodes instructions.

use iced_x86::code_asm::AsmRegister64;
use iced_x86::{MemoryOperand, Register};

/// Registers that instructions of up to 256 bits can name.
pub(super) const N_VEX_REGISTERS: usize = 16;

/// Bits of a vector register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// 128: AVX and FMA.
    Xmm,
    /// 256: AVX2 and FMA.
    Ymm,
    /// 512: AVX-512 F, DQ and VL.
    Zmm,
}

impl Width {
    /// The register of that number.
    pub(super) fn register(self, number: usize) -> Register {
        match self {
            Width::Xmm => xmm(number),
            Width::Ymm => ymm(number),
            Width::Zmm => zmm(number),
        }
    }

    /// What is its own of three: of 128, 256 and 512 bits.
    pub(super) fn of<T: Copy>(self, [of_xmm, of_ymm, of_zmm]: [T; 3]) -> T {
        match self {
            Width::Xmm => of_xmm,
            Width::Ymm => of_ymm,
            Width::Zmm => of_zmm,
        }
    }
}

pub(super) fn xmm(number: usize) -> Register {
    Register::XMM0 + number as u32
}

pub(super) fn ymm(number: usize) -> Register {
    Register::YMM0 + number as u32
}

pub(super) fn zmm(number: usize) -> Register {
    Register::ZMM0 + number as u32
}

pub(super) fn memory(base: AsmRegister64, offset: i32) -> MemoryOperand {
    MemoryOperand::with_base_displ(base.into(), i64::from(offset))
}
