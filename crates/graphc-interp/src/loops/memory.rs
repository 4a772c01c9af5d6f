//! An arena with named tensors in it.

use super::error::InterpError;
use super::interp::LoopInterp;
use graphc_ir::loops::{BufId, Buffer, BufferKind, Program};
use graphc_ir::scalar::flushed::canonical;
use graphc_ir::{DType, Tensor};

/// The arena of a program. Starts as zeros and the program's constants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    arena: Vec<u32>,
}

impl Memory {
    /// An arena of zeros, with the constants in it.
    pub fn new(program: &Program) -> Memory {
        let mut arena = vec![0; program.arena_words];
        program.write_constants(&mut arena);
        Memory { arena }
    }

    /// The words.
    pub fn arena(&self) -> &[u32] {
        &self.arena
    }

    /// The words, to be changed.
    pub fn arena_mut(&mut self) -> &mut [u32] {
        &mut self.arena
    }

    /// Runs the program once.
    ///
    /// # Errors
    /// At the first access outside its buffer.
    pub fn run(&mut self, interp: &LoopInterp) -> Result<(), InterpError> {
        interp.run(&mut self.arena)
    }

    /// Copies a tensor into the buffer of that kind and name.
    ///
    /// # Errors
    /// If there is no such buffer or the shape is another.
    pub fn set(
        &mut self,
        program: &Program,
        kind: BufferKind,
        name: &str,
        tensor: &Tensor<f32>,
    ) -> Result<(), InterpError> {
        write(program, &mut self.arena, kind, name, tensor)
    }

    /// Copies a tensor out of the buffer of that kind and name.
    ///
    /// # Errors
    /// If there is no such buffer.
    pub fn get(&self, program: &Program, kind: BufferKind, name: &str) -> Result<Tensor<f32>, InterpError> {
        read(program, &self.arena, kind, name)
    }
}

/// Copies a tensor into its buffer of an arena. Integer buffers take the integer part of each element.
///
/// # Errors
/// If there is no such buffer, the shape is another, or the arena is too short.
pub fn write(
    program: &Program,
    arena: &mut [u32],
    kind: BufferKind,
    name: &str,
    tensor: &Tensor<f32>,
) -> Result<(), InterpError> {
    let buffer = find(program, kind, name)?;
    if tensor.shape != buffer.layout.shape {
        let message = format!("{name:?} has shape {:?}, but the tensor has {:?}", buffer.layout.shape, tensor.shape);
        return Err(InterpError::Tensor(message));
    }
    let words: Vec<u32> = match buffer.dtype {
        DType::F32 => tensor.data.iter().map(|value| value.to_bits()).collect(),
        DType::I32 => tensor.data.iter().map(|&value| (value as i32).cast_unsigned()).collect(),
    };
    let end = buffer.offset + buffer.len;
    let target = arena.get_mut(buffer.offset..end).ok_or_else(|| outside(buffer))?;
    buffer.layout.pack(&words, target);
    Ok(())
}

/// Copies a tensor out of its buffer of an arena. Integers become the nearest reals, and every NaN the same one.
///
/// # Errors
/// If there is no such buffer or the arena is too short.
pub fn read(program: &Program, arena: &[u32], kind: BufferKind, name: &str) -> Result<Tensor<f32>, InterpError> {
    let buffer = find(program, kind, name)?;
    let words = arena.get(buffer.offset..buffer.offset + buffer.len).ok_or_else(|| outside(buffer))?;
    let words = buffer.layout.unpack(words).into_iter();
    let data = match buffer.dtype {
        DType::F32 => words.map(|word| canonical(f32::from_bits(word))).collect(),
        DType::I32 => words.map(|word| word.cast_signed() as f32).collect(),
    };
    Ok(Tensor::new(buffer.layout.shape.clone(), data))
}

fn find<'a>(program: &'a Program, kind: BufferKind, name: &str) -> Result<&'a Buffer, InterpError> {
    let is_bound = |id: &BufId| !matches!(program.buffer(*id).kind, BufferKind::Member | BufferKind::Constant);
    let id = program.find(kind, name).filter(is_bound);
    let id = id.ok_or_else(|| InterpError::Tensor(format!("there is no {} buffer {name:?}", kind.name())))?;
    let buffer = program.buffer(id);
    if buffer.len < buffer.layout.len() {
        return Err(InterpError::Tensor(format!("the buffer of {name:?} is shorter than its tensor")));
    }
    Ok(buffer)
}

fn outside(buffer: &Buffer) -> InterpError {
    InterpError::Arena(format!("buffer {:?} ends outside the arena", buffer.name))
}
