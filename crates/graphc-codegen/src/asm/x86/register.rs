//! Vector registers and places in memory, for the crate that encodes instructions.

use iced_x86::code_asm::AsmRegister64;
use iced_x86::{Code, MemoryOperand, Register};

/// Bits of a vector register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// 128: AVX and FMA.
    Xmm,
    /// 256: AVX2 and FMA.
    Ymm,
}

impl Width {
    /// The register of that number.
    pub(super) fn register(self, number: usize) -> Register {
        match self {
            Width::Xmm => xmm(number),
            Width::Ymm => ymm(number),
        }
    }

    /// One of two codes.
    pub(super) fn code(self, of_xmm: Code, of_ymm: Code) -> Code {
        match self {
            Width::Xmm => of_xmm,
            Width::Ymm => of_ymm,
        }
    }
}

pub(super) fn xmm(number: usize) -> Register {
    Register::XMM0 + number as u32
}

pub(super) fn ymm(number: usize) -> Register {
    Register::YMM0 + number as u32
}

pub(super) fn memory(base: AsmRegister64, offset: i32) -> MemoryOperand {
    MemoryOperand::with_base_displ(base.into(), i64::from(offset))
}
