//! What the tests of engines share: machine code and the loop interpreter side by side.

use graphc_codegen::{CodegenError, Isa};
use graphc_driver::{CompileOptions, Compiled, DriverError, Lowered, compile};
use graphc_interp::loops::{LoopInterp, Memory};
use graphc_ir::Tensor;
use graphc_ir::graph::Graph;
use graphc_ir::loops::{Buffer, BufferKind};
use graphc_ir::scalar::is_same_word;
use graphc_runtime::{Executable, Team};
use std::cell::RefCell;
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
    let interp = LoopInterp::new(program).map_err(text)?.in_random_order(program.arena_words as u64);
    memory.run(&interp).map_err(text)?;
    same_on_a_team(&mut executable, &arena, memory.arena())?;
    executable.arena_mut().copy_from_slice(&arena);
    executable.step().map_err(text)?;
    let is_other = |&word: &usize| !is_same_word(executable.arena()[word], memory.arena()[word]);
    if let Some(word) = (0..program.arena_words).find(is_other) {
        let holder = program.buffers.iter().find(|b| !b.is_of_member() && (b.offset..b.offset + b.len).contains(&word));
        let name = holder.map_or("no buffer", |buffer| buffer.name.as_str());
        let [jit, loops] = [executable.arena()[word], memory.arena()[word]].map(f32::from_bits);
        return Err(format!("word {word} ({name}): machine code {jit:e}, loops {loops:e}\n{program}"));
    }
    Ok((lowered, memory))
}

/// Runs one step on a team and compares the whole memory with `expected`.
fn same_on_a_team(executable: &mut Executable, arena: &[u32], expected: &[u32]) -> Result<(), String> {
    executable.arena_mut().copy_from_slice(arena);
    let n_members = TEAMS.with_borrow_mut(|teams| {
        teams.rotate_left(1);
        executable.step_on(&mut teams[0]).map_err(text)?;
        Ok::<_, String>(teams[0].n_members())
    })?;
    if are_same(executable.arena(), expected) {
        return Ok(());
    }
    Err(format!("a team of {n_members} threads leaves other bits\n{}", executable.program()))
}

thread_local! {
    /// Teams that steps are made on in turn: also of more threads than a machine has cores, and than a phase has tasks.
    /// They are kept, since starting 63 threads takes as long as many steps.
    static TEAMS: RefCell<Vec<Team>> =
        RefCell::new([3, 2, 16, 3, 8, 64].map(|n_members| Team::new(n_members).expect("some threads")).into());
}

/// Instructions beside those that are fastest here. Processors do without some of them.
pub(crate) const OTHER_ISAS: [Isa; 3] = [Isa::Portable, Isa::Fma, Isa::Avx2];

/// Those that a random case is compared in: in portable code each, in other tiles every fourth.
pub(crate) fn isas_of_case(seed: u64) -> Vec<Isa> {
    let others = match seed % 4 {
        0 => Some(Isa::Fma),
        2 => Some(Isa::Avx2),
        _ => None,
    };
    [Isa::Portable].into_iter().chain(others).collect()
}

/// Runs one step of code for other instructions and compares inputs, state and outputs with `expected`. Temporaries may
/// be others: packed weights are in the order of the register tiles, and fewer registers make other tiles.
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
        let is_kept = |buffer: &&Buffer| !matches!(buffer.kind, BufferKind::Temp | BufferKind::Member);
        for buffer in program.buffers.iter().filter(is_kept) {
            // Behind the tensor, and behind its rows where features are lanes, stands what whole vectors left there.
            let words = buffer.offset..buffer.offset + buffer.layout.len();
            let of = |arena: &[u32]| match buffer.layout.batch_axis {
                Some(_) => arena[words.clone()].to_vec(),
                None => buffer.layout.unpack(&arena[words.clone()]),
            };
            if !are_same(&of(executable.arena()), &of(expected.arena())) {
                return Err(format!("{isa:?} leaves other bits in {}\n{program}", buffer.name));
            }
        }
        let own = executable.arena().to_vec();
        same_on_a_team(&mut executable, memory.arena(), &own)?;
    }
    Ok(())
}

fn are_same(a: &[u32], b: &[u32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| is_same_word(a, b))
}

pub(crate) fn text(error: impl Display) -> String {
    error.to_string()
}
