//! Small programs, and machine code against the loop interpreter.

use graphc_codegen::{CodegenError, CodegenOptions, Isa, Target, compile};
use graphc_interp::loops;
use graphc_ir::DType;
use graphc_ir::loops::Program;
use graphc_runtime::{Executable, Team};

/// Instructions, and whether accesses are checked.
const WAYS: [(Isa, bool); 7] = [
    (Isa::Native, false),
    (Isa::Native, true),
    (Isa::Avx512, false),
    (Isa::Avx2, false),
    (Isa::Fma, false),
    (Isa::Portable, false),
    (Isa::Baseline, false),
];

/// Runs a program in every way and compares all words with the interpreter's; a NaN need only be a NaN.
pub(crate) fn check(program: &Program, arena: &[u32]) -> Result<(), String> {
    let mut expected = arena.to_vec();
    loops::run(program, &mut expected).map_err(|error| error.to_string())?;
    let mut is_f32 = vec![false; arena.len()];
    for buffer in program.buffers.iter().filter(|buffer| buffer.dtype == DType::F32 && !buffer.is_of_member()) {
        is_f32[buffer.offset..buffer.offset + buffer.len].fill(true);
    }
    for (isa, checked) in WAYS {
        let mut executable = match build(program, isa, checked) {
            Err(CodegenError::Target(_)) if matches!(isa, Isa::Avx512 | Isa::Avx2 | Isa::Fma) => continue,
            executable => executable.map_err(|error| error.to_string())?,
        };
        for n_members in [1, 3] {
            executable.arena_mut().copy_from_slice(arena);
            let mut team = Team::new(n_members).map_err(|error| error.to_string())?;
            executable.step_on(&mut team).map_err(|error| error.to_string())?;
            let found = executable.arena();
            let is_nan = |word: usize, words: &[u32]| is_f32[word] && f32::from_bits(words[word]).is_nan();
            let differs =
                |&word: &usize| found[word] != expected[word] && !(is_nan(word, found) && is_nan(word, &expected));
            if let Some(word) = (0..found.len()).find(differs) {
                let (found, expected) = (found[word], expected[word]);
                let way = format!("{isa:?}, checked {checked}, {n_members} threads");
                return Err(format!("{way}: word {word} is {found:#x}, expected {expected:#x}"));
            }
        }
    }
    Ok(())
}

pub(crate) fn build(program: &Program, isa: Isa, checked: bool) -> Result<Executable, CodegenError> {
    let target = Target::host(isa)?;
    let code = compile(program, &target, &CodegenOptions { checked })?;
    Ok(Executable::new(program.clone(), code).expect("code of this program"))
}

/// A program with buffers `b0..` of 64 words each, one kernel and one nest.
pub(crate) fn program(types: &[&str], body: &str) -> Program {
    kernel(types, &format!("nest \"n\" {{ {body} }}"))
}

pub(crate) fn kernel(types: &[&str], body: &str) -> Program {
    let mut text = format!("program \"test\" (batch=1, arena={}) {{\n", 64 * types.len());
    for (number, dtype) in types.iter().enumerate() {
        let at = 64 * number;
        let kind = if number + 1 == types.len() { "output" } else { "input" };
        text += &format!("buffer b{number}: {dtype} {kind} \"t{number}\" [64] strides=[1] chunk=64 len=64 @{at}\n");
    }
    text += &format!("kernel \"k\" from \"a\" {{ {body} }} }}");
    text.parse().unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

pub(crate) fn ramps(program: &Program) -> Vec<u32> {
    (0..program.arena_words).map(|word| ((word as f32 - 90.3) / 17.1).to_bits()).collect()
}
