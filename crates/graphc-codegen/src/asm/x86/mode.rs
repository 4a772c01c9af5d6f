//! The processor's mode in which subnormal numbers count as zero, as the loop IR wants it
//! (`graphc_ir::scalar::flushed`).
//!
//! Every phase sets the mode when it is entered and restores what it found when it returns. Machine code does that by
//! two functions of its own, made here. Rust code never runs in another mode than it expects (but for `fmaf`, see
//! `jit`), on no thread, and a caller's own rounding mode or exception masks are out of force while a step runs. That
//! is why the mode is not set around a step by whoever runs it: Rust's compiler may move arithmetic across such a
//! change. Both take some ten nanoseconds a phase.

use crate::asm::assembler::Mode;

/// MXCSR: all exceptions masked, rounding to nearest, flushing of results (bit 15) and of operands (bit 6).
const MXCSR: u32 = 0x1f80 | 1 << 15 | 1 << 6;

/// The functions.
pub(super) fn mode() -> Mode {
    let [a, b, c, d] = MXCSR.to_le_bytes();
    Mode {
        enter: vec![
            0x48, 0x83, 0xec, 0x08, // sub rsp, 8
            0x0f, 0xae, 0x1c, 0x24, // stmxcsr [rsp]
            0x8b, 0x04, 0x24, // mov eax, [rsp]
            0xc7, 0x04, 0x24, a, b, c, d, // mov dword [rsp], MXCSR
            0x0f, 0xae, 0x14, 0x24, // ldmxcsr [rsp]
            0x48, 0x83, 0xc4, 0x08, // add rsp, 8
            0xc3, // ret
        ],
        leave: vec![
            0x48, 0x83, 0xec, 0x08, // sub rsp, 8
            0x89, 0x3c, 0x24, // mov [rsp], edi
            0x0f, 0xae, 0x14, 0x24, // ldmxcsr [rsp]
            0x48, 0x83, 0xc4, 0x08, // add rsp, 8
            0xc3, // ret
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asm::assembler::Line;
    use crate::asm::x86::disassemble::lines;
    use std::collections::BTreeMap;

    #[test]
    fn the_bytes_are_what_their_comments_say() {
        let Mode { enter, leave } = mode();
        let text_of = |line: Line| match line {
            Line::Label { name, .. } => name,
            Line::Instruction { text, .. } => text,
        };
        let text = |code: &[u8]| lines(code, &BTreeMap::new()).into_iter().map(text_of).collect::<Vec<_>>();
        assert_eq!(
            text(&enter),
            [
                "sub rsp,8",
                "stmxcsr [rsp]",
                "mov eax,[rsp]",
                "mov dword ptr [rsp],9FC0h",
                "ldmxcsr [rsp]",
                "add rsp,8",
                "ret"
            ]
        );
        assert_eq!(text(&leave), ["sub rsp,8", "mov [rsp],edi", "ldmxcsr [rsp]", "add rsp,8", "ret"]);
    }
}
