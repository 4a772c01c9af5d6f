//! A program with its code and its memory.

use crate::RuntimeError;
use crate::arena::Arena;
use crate::pack::{pack, unpack};
use crate::team::{ProgramPace, Rooms, SharedPhase, Team, TimedShare};
use graphc_codegen::CompiledProgram;
use graphc_ir::loops::{BufId, Buffer, BufferKind, Layout, Program};
use graphc_ir::scalar::flushed::canonical;
use graphc_ir::types::WORD_BYTES;
use graphc_ir::{DType, Tensor};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// A program with its code and its memory.
pub struct Executable {
    program: Arc<Program>,
    code: CompiledProgram,
    arena: Arena,
    /// The memory of so many members, each beginning `room_words` after the one before.
    rooms: Arena,
    n_rooms: usize,
    names: Names,
    /// Kernels of the prologue whose results are up to date.
    n_done: usize,
    /// Whether steps are faster on all members of a team.
    pace: ProgramPace,
}

/// Buffers by kind and name: a program has hundreds, and a few are asked for between any two steps.
type Names = HashMap<BufferKind, HashMap<String, BufId>>;

impl Executable {
    /// Allocates the arena, all zeros but for the constants, and the memory of one member; a step on a team makes room
    /// for its members. `code` must be compiled from `program`, and `program` must
    /// be one that the verifier accepts: unless `code` is checked, nothing else keeps its
    /// accesses inside the arena.
    ///
    /// # Errors
    /// If a buffer does not fit into the arena or a tensor into its buffer, the kernels differ, or there is not enough
    /// memory.
    pub fn new(program: impl Into<Arc<Program>>, code: CompiledProgram) -> Result<Executable, RuntimeError> {
        let program = program.into();
        for buffer in &program.buffers {
            let end = buffer.offset.checked_add(buffer.len);
            let is_whole = buffer.words.as_ref().is_none_or(|words| words.len() == buffer.len);
            if end.is_none_or(|end| end > program.words_around(buffer)) || buffer.layout.len() > buffer.len || !is_whole
            {
                let message = format!("buffer {:?} does not fit", buffer.name);
                return Err(RuntimeError::Program(message));
            }
        }
        let compiled = code.kernels().iter().map(|kernel| &kernel.name);
        if !compiled.eq(program.kernels.iter().map(|kernel| &kernel.name)) {
            return Err(RuntimeError::Program("the code is that of another program".to_owned()));
        }
        let mut arena = allocate(program.arena_words)?;
        program.write_constants(arena.words_mut());
        let rooms = allocate(room_words(&program))?;
        let mut names = Names::new();
        let is_bound = |buffer: &Buffer| !matches!(buffer.kind, BufferKind::Member | BufferKind::Constant);
        let kept = program.buffers.iter().enumerate().filter(|(_, buffer)| is_bound(buffer));
        for (number, buffer) in kept {
            names.entry(buffer.kind).or_default().entry(buffer.name.clone()).or_insert(BufId(number as u32));
        }
        Ok(Executable { program, code, arena, rooms, n_rooms: 1, names, n_done: 0, pace: ProgramPace::default() })
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The code.
    pub fn code(&self) -> &CompiledProgram {
        &self.code
    }

    /// All words of the arena.
    pub fn arena(&self) -> &[u32] {
        self.arena.words()
    }

    /// All words of the arena, to be changed, those of constants excepted. The next step runs the prologue again.
    pub fn arena_mut(&mut self) -> &mut [u32] {
        self.n_done = 0;
        self.arena.words_mut()
    }

    /// Allocates memory for so many members, unless there is enough. A step on a larger team does it otherwise.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn make_room(&mut self, n_members: usize) -> Result<(), RuntimeError> {
        if n_members > self.n_rooms && self.program.member_words > 0 {
            // Nothing there outlives a task.
            self.rooms = allocate(room_words(&self.program).saturating_mul(n_members))?;
            self.n_rooms = n_members;
        }
        Ok(())
    }

    /// Sets a tensor from its elements in row-major order.
    ///
    /// # Errors
    /// If there is no such buffer, or it has another length or type.
    pub fn set(&mut self, kind: BufferKind, name: &str, data: &[f32]) -> Result<(), RuntimeError> {
        self.set_words(kind, name, DType::F32, data.iter().map(|value| value.to_bits()))
    }

    /// Sets an integer tensor from its elements in row-major order.
    ///
    /// # Errors
    /// As [`Executable::set`].
    pub fn set_i32(&mut self, kind: BufferKind, name: &str, data: &[i32]) -> Result<(), RuntimeError> {
        self.set_words(kind, name, DType::I32, data.iter().map(|value| value.cast_unsigned()))
    }

    /// The words of a buffer, to be written in its layout; words of no element are zero and must stay so.
    ///
    /// # Errors
    /// If there is no such buffer.
    pub fn words_mut(&mut self, kind: BufferKind, name: &str) -> Result<(&Buffer, &mut [u32]), RuntimeError> {
        let buffer = find(&self.program, &self.names, kind, name)?;
        Ok((buffer, &mut self.arena.words_mut()[buffer.offset..buffer.offset + buffer.layout.len()]))
    }

    fn set_words(
        &mut self,
        kind: BufferKind,
        name: &str,
        dtype: DType,
        words: impl ExactSizeIterator<Item = u32> + Clone,
    ) -> Result<(), RuntimeError> {
        let buffer = find(&self.program, &self.names, kind, name)?;
        if buffer.dtype != dtype {
            return Err(RuntimeError::WrongType { name: name.to_owned(), expected: buffer.dtype });
        }
        let shape = &buffer.layout.shape;
        if words.len() != shape.iter().product::<usize>() {
            return Err(RuntimeError::WrongLength { name: name.to_owned(), shape: shape.clone(), found: words.len() });
        }
        if kind != BufferKind::Input {
            self.n_done = 0;
        }
        let target = &mut self.arena.words_mut()[buffer.offset..buffer.offset + buffer.layout.len()];
        pack(&buffer.layout, words, target);
        Ok(())
    }

    /// A tensor; integers become the nearest reals, and every NaN the same one.
    ///
    /// # Errors
    /// If there is no such buffer.
    pub fn get(&self, kind: BufferKind, name: &str) -> Result<Tensor<f32>, RuntimeError> {
        let buffer = self.find(kind, name)?;
        let words = unpack(&buffer.layout, self.words(buffer)).into_iter();
        let data = match buffer.dtype {
            DType::F32 => words.map(|word| canonical(f32::from_bits(word))).collect(),
            DType::I32 => words.map(|word| word.cast_signed() as f32).collect(),
        };
        Ok(Tensor::new(buffer.layout.shape.clone(), data))
    }

    /// The only element of an `f32` tensor; takes no memory, for what is read after every step.
    ///
    /// # Errors
    /// If there is no such buffer, or it has another type or more elements.
    pub fn scalar(&self, kind: BufferKind, name: &str) -> Result<f32, RuntimeError> {
        let buffer = self.find(kind, name)?;
        let Layout { shape, batch_axis, .. } = &buffer.layout;
        match self.words(buffer) {
            _ if buffer.dtype != DType::F32 => {
                Err(RuntimeError::WrongType { name: name.to_owned(), expected: buffer.dtype })
            }
            [word] if batch_axis.is_none() => Ok(canonical(f32::from_bits(*word))),
            _ => Err(RuntimeError::WrongLength { name: name.to_owned(), shape: shape.clone(), found: 1 }),
        }
    }

    fn find(&self, kind: BufferKind, name: &str) -> Result<&Buffer, RuntimeError> {
        find(&self.program, &self.names, kind, name)
    }

    fn words(&self, buffer: &Buffer) -> &[u32] {
        &self.arena.words()[buffer.offset..buffer.offset + buffer.layout.len()]
    }

    /// Takes over the state of another executable, for example one for another batch size:
    /// every state buffer that both have.
    ///
    /// # Errors
    /// If a state buffer of this program is missing there or has another shape.
    pub fn copy_state_from(&mut self, other: &Executable) -> Result<(), RuntimeError> {
        self.n_done = 0;
        for buffer in self.program.buffers.iter().filter(|buffer| buffer.kind == BufferKind::State) {
            let source = other.find(BufferKind::State, &buffer.name)?;
            let target = buffer.offset..buffer.offset + buffer.layout.len();
            if source.layout == buffer.layout {
                self.arena.words_mut()[target].copy_from_slice(other.words(source));
                continue;
            }
            if source.layout.shape != buffer.layout.shape || source.dtype != buffer.dtype {
                return Err(RuntimeError::WrongLength {
                    name: buffer.name.clone(),
                    shape: buffer.layout.shape.clone(),
                    found: source.layout.shape.iter().product(),
                });
            }
            let words = unpack(&source.layout, other.words(source));
            pack(&buffer.layout, words.into_iter(), &mut self.arena.words_mut()[target]);
        }
        Ok(())
    }

    /// Runs every kernel once, in order, on this thread; those of the prologue only if the state was set since they
    /// ran.
    ///
    /// # Errors
    /// In checked mode, at the first access outside its buffer.
    pub fn step(&mut self) -> Result<(), RuntimeError> {
        self.run_kernels(0..self.code.kernels().len(), None, None)
    }

    /// Does the same on all members of a team, or on the caller alone if the team is adaptive and that is faster. Every
    /// buffer has the bits that it has after [`Executable::step`].
    ///
    /// # Errors
    /// As [`Executable::step`], and the same one.
    pub fn step_on(&mut self, team: &mut Team) -> Result<(), RuntimeError> {
        let kernels = 0..self.code.kernels().len();
        if !team.is_adaptive() {
            return self.run_kernels(kernels, Some(team), None);
        }
        let is_alone = team.is_alone(&mut self.pace);
        let start = Instant::now();
        let result = self.run_kernels(kernels, if is_alone { None } else { Some(&mut *team) }, None);
        team.note(&mut self.pace, start.elapsed());
        result
    }

    /// As [`Executable::step_on`], with the times of all phases. Reading the clock costs some tens of nanoseconds per
    /// phase, and twice as much per other member and parallel phase.
    ///
    /// # Errors
    /// As [`Executable::step`].
    pub fn step_timed(&mut self, team: &mut Team, log: &mut StepLog) -> Result<(), RuntimeError> {
        let n_kernels = self.code.kernels().len();
        let n_phases = self.code.kernels().iter().map(|kernel| kernel.phases.len()).sum();
        team.clear_notes(n_phases);
        log.ends.clear();
        log.ends.reserve(n_phases);
        log.start = Instant::now();
        let result = self.run_kernels(0..n_kernels, Some(team), Some(&mut log.ends));
        log.shares.clear();
        team.add_noted(&mut log.shares);
        result
    }

    /// Runs one kernel, phase after phase, on this thread; nothing if it belongs to the prologue and has run since the
    /// state was set.
    ///
    /// # Errors
    /// As [`Executable::step`].
    ///
    /// # Panics
    /// If there is no kernel of that number.
    pub fn run_kernel(&mut self, kernel: usize) -> Result<(), RuntimeError> {
        self.run_kernels(kernel..kernel + 1, None, None)
    }

    fn run_kernels(
        &mut self,
        kernels: Range<usize>,
        mut team: Option<&mut Team>,
        mut ends: Option<&mut Vec<Instant>>,
    ) -> Result<(), RuntimeError> {
        self.make_room(team.as_ref().map_or(1, |team| team.n_members()))?;
        let arena = self.arena.base();
        let rooms = Rooms { first: self.rooms.base(), stride: WORD_BYTES * room_words(&self.program) };
        for number in kernels {
            let phases = match &self.code.kernels()[number].phases {
                _ if number < self.n_done => &[],
                phases => phases.as_slice(),
            };
            for phase in phases {
                let code = match (&phase.parallel, &mut team) {
                    (Some(range), Some(team)) => {
                        let timed = ends.as_ref().map(|ends| ends.len());
                        let shared =
                            SharedPhase { function: phase.function, arena, rooms, range: range.clone(), timed };
                        // SAFETY: as below. The loop is marked parallel: the loop IR demands that its iterations
                        // neither write what others write nor read what others write.
                        unsafe { team.run(&shared) }
                    }
                    (range, _) => {
                        let (low, high) = range.as_ref().map_or((0, 0), |range| (range.start, range.end));
                        // SAFETY: `new` has allocated the program's arena and checked that the buffers lie in it, or
                        // in a member's memory, of which there is enough; it is borrowed exclusively, and `self`
                        // keeps the code alive. That indices stay within buffers is the verifier's task, or that of
                        // checked code.
                        unsafe { (phase.function)(arena, rooms.of(0), low, high) }
                    }
                };
                if code != 0 {
                    return Err(RuntimeError::OutOfBounds(self.code.failure(code)));
                }
                if let Some(ends) = &mut ends {
                    ends.push(Instant::now());
                }
            }
            if number == self.n_done && number < self.program.prologue().len() {
                self.n_done += 1;
            }
        }
        Ok(())
    }
}

/// When the parts of one step ran, for [`Executable::step_timed`]; it can be used for many steps. Phases are numbered
/// through all kernels of the program, from 0.
#[derive(Clone, Debug)]
pub struct StepLog {
    /// When the step began.
    pub start: Instant,
    /// When each phase was done, on all threads; the next one begins there.
    pub ends: Vec<Instant>,
    /// Shares of the members other than the caller, member after member.
    pub shares: Vec<TimedShare>,
}

impl Default for StepLog {
    fn default() -> StepLog {
        StepLog { start: Instant::now(), ends: Vec::new(), shares: Vec::new() }
    }
}

/// So many words, all zeros.
fn allocate(words: usize) -> Result<Arena, RuntimeError> {
    Arena::new(words).map_err(|error| RuntimeError::Memory { words, reason: error.to_string() })
}

/// Words from one member's memory to the next one's: whole pairs of cache lines, which processors fetch together, at a
/// distance that is no multiple of a page, so that equal places do not fall into the same cache sets.
fn room_words(program: &Program) -> usize {
    const PAIR: usize = 32;
    const PAGE: usize = 1024;
    let words = program.member_words.next_multiple_of(PAIR);
    if words > 0 && words.is_multiple_of(PAGE) { words + PAIR } else { words }
}

fn find<'a>(program: &'a Program, names: &Names, kind: BufferKind, name: &str) -> Result<&'a Buffer, RuntimeError> {
    let found = names.get(&kind).and_then(|names| names.get(name));
    found.map(|&id| program.buffer(id)).ok_or_else(|| RuntimeError::UnknownName {
        kind,
        name: name.to_owned(),
        known: program.buffers.iter().filter(|b| b.kind == kind).map(|b| b.name.clone()).collect(),
    })
}

impl std::fmt::Debug for Executable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executable").field("program", &self.program.name).finish_non_exhaustive()
    }
}
