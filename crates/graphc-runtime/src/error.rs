//! What can go wrong while running a program.

use graphc_ir::DType;
use graphc_ir::loops::BufferKind;
use graphc_ir::types::WORD_BYTES;
use std::fmt;

/// What can go wrong while running a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeError {
    /// No buffer has that kind and name.
    UnknownName {
        /// The kind asked for.
        kind: BufferKind,
        /// The name asked for.
        name: String,
        /// Names there are of that kind.
        known: Vec<String>,
    },
    /// A tensor with the wrong number of elements.
    WrongLength {
        /// Name of the buffer.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Elements given.
        found: usize,
    },
    /// A tensor of the wrong element type.
    WrongType {
        /// Name of the buffer.
        name: String,
        /// Its element type.
        expected: DType,
    },
    /// The program and its code do not fit together.
    Program(String),
    /// Checked mode found an access outside its buffer.
    OutOfBounds(String),
    /// A team of threads cannot be made.
    Threads(String),
    /// There is not enough memory for the arena.
    Memory {
        /// Words of the arena.
        words: usize,
        /// What the system said.
        reason: String,
    },
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuntimeError::UnknownName { kind, name, known } => {
                write!(f, "there is no {} named {name:?}; known: {}", kind.name(), known.join(", "))
            }
            RuntimeError::WrongLength { name, shape, found } => {
                let expected: usize = shape.iter().product();
                write!(f, "{name:?} has shape {shape:?}, {expected} elements, but {found} were given")
            }
            RuntimeError::WrongType { name, expected } => write!(f, "{name:?} holds {expected} elements"),
            RuntimeError::Program(message) | RuntimeError::Threads(message) => f.write_str(message),
            RuntimeError::Memory { words, reason } => {
                let bytes = words.saturating_mul(WORD_BYTES);
                write!(f, "the step needs {bytes} bytes of memory: {reason}")
            }
            RuntimeError::OutOfBounds(message) => write!(f, "access outside its buffer: {message}"),
        }
    }
}

impl std::error::Error for RuntimeError {}
