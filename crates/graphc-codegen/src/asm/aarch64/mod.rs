//! aarch64: the mode for subnormal numbers. Cranelift emits everything else.

use super::assembler::{Assembler, InstructionSet, Line, Mode};
use std::collections::BTreeMap;

/// The instruction set.
pub(super) struct Aarch64;

impl InstructionSet for Aarch64 {
    fn name(&self) -> &'static str {
        "aarch64"
    }

    fn assemblers(&self, _features: &[&str]) -> Vec<&'static dyn Assembler> {
        Vec::new()
    }

    /// FPCR: everything default but FZ (bit 24). It flushes results before they are rounded: where x86 and the loop
    /// interpreter have 2^-126 because a result was rounded up to it, there is a zero here. `AH`, which mends that,
    /// is too new to be relied upon.
    fn mode(&self) -> Mode {
        Mode {
            enter: words(&[
                0xd53b_4400, // mrs x0, fpcr
                0xd2a0_2001, // mov x1, #1 << 24
                0xd51b_4401, // msr fpcr, x1
                0xd65f_03c0, // ret
            ]),
            leave: words(&[
                0xd51b_4400, // msr fpcr, x0
                0xd65f_03c0, // ret
            ]),
        }
    }

    fn disassemble(&self, _code: &[u8], _calls: &BTreeMap<usize, String>) -> Option<Vec<Line>> {
        None
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
