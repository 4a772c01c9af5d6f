//! What the tests of engines share: machine code and the loop interpreter side by side, and a comparison with the
//! graph interpreter's numbers.

use graphc_codegen::{CodegenError, Isa};
use graphc_driver::{CompileOptions, Compiled, DriverError, Lowered, compile};
use graphc_interp::graph::Evaluation;
use graphc_interp::loops::{LoopInterp, Memory};
use graphc_ir::Tensor;
use graphc_ir::graph::Graph;
use graphc_ir::loops::{BufferKind, Program};
use graphc_runtime::{Executable, Team};
use std::collections::BTreeMap;
use std::fmt::Display;

/// Runs one step in machine code and in the loop interpreter. The memory afterwards, if it is the same in every bit.
pub(crate) fn run_both(
    compiled: Compiled,
    tensors: &BTreeMap<String, Tensor<f32>>,
) -> Result<(Lowered, Memory), String> {
    let (lowered, mut executable) = (compiled.lowered, compiled.executable);
    let program = &lowered.program;
    let mut memory = Memory::new(program);
    for buffer in &program.buffers {
        if matches!(buffer.kind, BufferKind::Input | BufferKind::State) {
            memory.set(program, buffer.kind, &buffer.name, &tensors[&buffer.name]).map_err(text)?;
        }
    }
    let arena = memory.arena().to_vec();
    let interp = LoopInterp::new(program).map_err(text)?;
    memory.run(&interp).map_err(text)?;
    same_on_a_team(&mut executable, &arena, memory.arena())?;
    executable.arena_mut().copy_from_slice(&arena);
    executable.step().map_err(text)?;
    if let Some(word) = (0..program.arena_words).find(|&word| executable.arena()[word] != memory.arena()[word]) {
        let holder = program.buffers.iter().find(|b| (b.offset..b.offset + b.len).contains(&word));
        let name = holder.map_or("no buffer", |buffer| buffer.name.as_str());
        let [jit, loops] = [executable.arena()[word], memory.arena()[word]].map(f32::from_bits);
        return Err(format!("word {word} ({name}): machine code {jit:e}, loops {loops:e}\n{program}"));
    }
    Ok((lowered, memory))
}

/// Runs one step on a team of 3 and compares the whole memory with `expected`.
fn same_on_a_team(executable: &mut Executable, arena: &[u32], expected: &[u32]) -> Result<(), String> {
    executable.arena_mut().copy_from_slice(arena);
    executable.step_on(&mut Team::new(3).map_err(text)?).map_err(text)?;
    let other = "a team of threads leaves other bits\n";
    if executable.arena() == expected { Ok(()) } else { Err(format!("{other}{}", executable.program())) }
}

/// Runs one step of code for other instructions and compares inputs, state and outputs with `expected`. Temporaries may be
/// others: packed weights are in the order of the register tiles, and fewer registers make other tiles.
pub(crate) fn compare_isas(
    graph: &Graph,
    options: &CompileOptions,
    isas: &[Isa],
    tensors: &BTreeMap<String, Tensor<f32>>,
    expected: &Memory,
) -> Result<(), String> {
    for &isa in isas {
        let compiled = match compile(graph, &CompileOptions { isa, ..options.clone() }) {
            Err(DriverError::Codegen(CodegenError::Target(_))) => continue,
            compiled => compiled.map_err(text)?,
        };
        let (program, mut executable) = (&compiled.lowered.program, compiled.executable);
        let mut memory = Memory::new(program);
        for buffer in &program.buffers {
            if matches!(buffer.kind, BufferKind::Input | BufferKind::State) {
                memory.set(program, buffer.kind, &buffer.name, &tensors[&buffer.name]).map_err(text)?;
            }
        }
        executable.arena_mut().copy_from_slice(memory.arena());
        executable.step().map_err(text)?;
        for buffer in program.buffers.iter().filter(|buffer| buffer.kind != BufferKind::Temp) {
            // Behind the tensor stands what whole vectors of temporaries left there.
            let words = buffer.offset..buffer.offset + buffer.layout.len();
            if executable.arena()[words.clone()] != expected.arena()[words] {
                return Err(format!("{isa:?} leaves other bits in {}\n{program}", buffer.name));
            }
        }
        let own = executable.arena().to_vec();
        same_on_a_team(&mut executable, memory.arena(), &own)?;
    }
    Ok(())
}

/// Outputs and updated parameters in `memory` against their meaning; `tolerance` is that of an output or parameter,
/// relative to its largest element and to 1.
pub(crate) fn compare_with_meaning(
    program: &Program,
    memory: &Memory,
    meaning: &Evaluation<f64>,
    tolerance: impl Fn(&str) -> f64,
) -> Result<(), String> {
    let outputs = meaning.outputs.iter().map(|(name, tensor)| (BufferKind::Output, name, tensor));
    let updates = meaning.updates.iter().map(|(name, tensor)| (BufferKind::State, name, tensor));
    for (kind, name, expected) in outputs.chain(updates) {
        let found = memory.get(program, kind, name).map_err(text)?;
        compare(name, &found, expected, tolerance(name))?;
    }
    Ok(())
}

/// `found` against `expected`. A tolerance of 0 wants the f32 nearest to every element.
pub(crate) fn compare(name: &str, found: &Tensor<f32>, expected: &Tensor<f64>, tolerance: f64) -> Result<(), String> {
    if found.shape != expected.shape {
        return Err(format!("{name}: shape {:?}, expected {:?}", found.shape, expected.shape));
    }
    let largest = expected.data.iter().fold(1.0_f64, |largest, x| largest.max(x.abs()));
    for (i, (&found, &expected)) in found.data.iter().zip(&expected.data).enumerate() {
        let error = (f64::from(found) - expected).abs();
        let is_right = if tolerance == 0.0 { found == expected as f32 } else { error <= tolerance * largest };
        if !is_right {
            return Err(format!("{name}[{i}]: {found:e}, expected {expected:e} (largest {largest:e})"));
        }
    }
    Ok(())
}

pub(crate) fn text(error: impl Display) -> String {
    error.to_string()
}
