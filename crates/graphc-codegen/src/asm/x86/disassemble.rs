//! Text of machine code, with names in place of addresses.

use crate::asm::assembler::Line;
use iced_x86::{
    Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter, Mnemonic, OpKind, SymbolResolver, SymbolResult,
};
use std::collections::BTreeMap;

/// The lines of a function. `calls` are names by the place, in bytes from the start, where an address is filled in
/// when the function is linked.
pub(super) fn lines(code: &[u8], calls: &BTreeMap<usize, String>) -> Vec<Line> {
    let Decoded { instructions, n_bytes } = decode(code);
    let labels = labels(&instructions, n_bytes);
    let mut formatter =
        IntelFormatter::with_options(Some(Box::new(Names { labels: labels.clone(), calls: calls.clone() })), None);
    let mut lines = Vec::new();
    for instruction in &instructions {
        if let Some(label) = labels.get(&instruction.ip()) {
            lines.push(Line::Label { name: label.name.clone(), end: label.end });
        }
        let mut text = String::new();
        formatter.format(instruction, &mut text);
        lines.push(Line::Instruction { offset: instruction.ip() as usize, text });
    }
    for (at, word) in (n_bytes..).step_by(4).zip(code[n_bytes..].chunks(4)) {
        if let Some(label) = labels.get(&(at as u64)) {
            lines.push(Line::Label { name: label.name.clone(), end: None });
        }
        let digits: String = word.iter().rev().map(|byte| format!("{byte:02x}")).collect();
        lines.push(Line::Instruction { offset: at, text: format!("word {digits}") });
    }
    lines
}

struct Decoded {
    instructions: Vec<Instruction>,
    /// Bytes of the instructions; what follows is data.
    n_bytes: usize,
}

/// Instructions up to the first data that one of them reads, or to the end: constants stand behind the code.
fn decode(code: &[u8]) -> Decoded {
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    let mut instructions = Vec::new();
    let mut n_bytes = code.len();
    while decoder.can_decode() && decoder.position() < n_bytes {
        let instruction = decoder.decode();
        if instruction.is_ip_rel_memory_operand() {
            n_bytes = n_bytes.min(instruction.ip_rel_memory_address() as usize);
        }
        instructions.push(instruction);
    }
    // Zeros fill the room between the last instruction and data that has to lie on a boundary.
    let is_filler = |instruction: &Instruction| {
        let start = instruction.ip() as usize;
        code[start..start + instruction.len()].iter().all(|&byte| byte == 0)
    };
    while n_bytes < code.len() && instructions.last().is_some_and(is_filler) {
        instructions.pop();
    }
    Decoded { instructions, n_bytes }
}

/// The name of a place.
#[derive(Clone)]
struct Label {
    name: String,
    /// Where the last instruction stands that jumps back to it.
    end: Option<usize>,
}

/// Names of all places that instructions refer to, in order: `loop1` is jumped back to, `skip1` is only jumped
/// forward to, `data1` is read.
fn labels(instructions: &[Instruction], n_bytes: usize) -> BTreeMap<u64, Label> {
    let mut places: BTreeMap<u64, (&str, Option<usize>)> = BTreeMap::new();
    for instruction in instructions {
        if instruction.is_ip_rel_memory_operand() && instruction.ip_rel_memory_address() >= n_bytes as u64 {
            places.insert(instruction.ip_rel_memory_address(), ("data", None));
        }
        if is_jump(instruction) {
            let target = instruction.near_branch_target();
            let place = places.entry(target).or_insert(("skip", None));
            if target <= instruction.ip() {
                *place = ("loop", Some(instruction.ip() as usize));
            }
        }
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut named = BTreeMap::new();
    for (place, (kind, end)) in places {
        let count = counts.entry(kind).or_insert(0);
        *count += 1;
        named.insert(place, Label { name: format!("{kind}{count}"), end });
    }
    named
}

/// Whether it goes on at a place in the function.
fn is_jump(instruction: &Instruction) -> bool {
    instruction.op0_kind() == OpKind::NearBranch64 && instruction.mnemonic() != Mnemonic::Call
}

/// Names for the formatter.
struct Names {
    labels: BTreeMap<u64, Label>,
    calls: BTreeMap<usize, String>,
}

impl SymbolResolver for Names {
    fn symbol(
        &mut self,
        instruction: &Instruction,
        _operand: u32,
        _instruction_operand: Option<u32>,
        address: u64,
        _address_size: u32,
    ) -> Option<SymbolResult<'_>> {
        let start = instruction.ip() as usize;
        let called = self.calls.range(start..start + instruction.len()).next();
        if let Some((_, name)) = called {
            return Some(SymbolResult::with_str(address, name));
        }
        let label = self.labels.get(&address)?;
        (is_jump(instruction) || instruction.is_ip_rel_memory_operand()).then_some(())?;
        Some(SymbolResult::with_str(address, &label.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_names() {
        // test edi, edi; je end; head: call f; dec edi; jne head; end: addss xmm0, [one]; ret; two zeros; one: 1.0
        let code = [
            0x85, 0xff, 0x74, 0x09, 0xe8, 0, 0, 0, 0, 0xff, 0xcf, 0x75, 0xf7, 0xf3, 0x0f, 0x58, 0x05, 3, 0, 0, 0, 0xc3,
            0, 0, 0, 0, 0x80, 0x3f,
        ];
        let calls = BTreeMap::from([(5, "k0.nest1.conv1".to_owned())]);
        let text = |line: Line| match line {
            Line::Label { name, .. } => format!("{name}:"),
            Line::Instruction { text, .. } => text,
        };
        let lines: Vec<String> = lines(&code, &calls).into_iter().map(text).collect();
        assert_eq!(
            lines,
            [
                "test edi,edi",
                "je short skip1",
                "loop1:",
                "call k0.nest1.conv1",
                "dec edi",
                "jne short loop1",
                "skip1:",
                "addss xmm0,[data1]",
                "ret",
                "data1:",
                "word 3f800000"
            ]
        );
    }
}
