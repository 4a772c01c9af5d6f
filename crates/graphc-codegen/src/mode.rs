//! The processor's mode in which subnormal numbers count as zero, as the loop IR wants it
//! (`graphc_ir::scalar::flushed`).
//!
//! Every phase sets the mode when it is entered and restores what it found when it returns. Machine code does that by
//! two functions of its own, made here. Rust code never runs in another mode than it expects (but for `fmaf`, see
//! `jit`), on no thread, and a caller's own rounding mode or exception masks are out of force while a step runs. That
//! is why the mode is not set around a step by whoever runs it: Rust's compiler may move arithmetic across such a
//! change. Both take some ten nanoseconds a phase.

use crate::Target;

/// Functions in the System V convention, or the processor's only one.
pub(crate) struct Mode {
    /// `fn() -> i64`: sets the mode; gives the control word that was in force.
    pub(crate) enter: Vec<u8>,
    /// `fn(i64)`: sets a control word.
    pub(crate) leave: Vec<u8>,
}

/// MXCSR: all exceptions masked, rounding to nearest, flushing of results (bit 15) and of operands (bit 6).
const MXCSR: u32 = 0x1f80 | 1 << 15 | 1 << 6;

/// The functions for a target; none if it has no such mode, or none is known here.
pub(crate) fn mode(target: &Target) -> Option<Mode> {
    let [a, b, c, d] = MXCSR.to_le_bytes();
    match target.isa().name() {
        "x64" => Some(Mode {
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
        }),
        // FPCR: everything default but FZ (bit 24). It flushes results before they are rounded: where x86 and the loop
        // interpreter have 2^-126 because a result was rounded up to it, there is a zero here. `AH`, which
        // mends that, is too new to be relied upon.
        "aarch64" => Some(Mode {
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
        }),
        _ => None,
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
    use crate::tile::disassemble;

    #[test]
    fn x86_bytes_are_what_their_comments_say() {
        let target = Target::host(Isa::Baseline).unwrap();
        let Some(Mode { enter, leave }) = mode(&target).filter(|_| target.isa().name() == "x64") else { return };
        let text = |code: &[u8]| {
            let text = disassemble(code);
            text.lines().map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
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
