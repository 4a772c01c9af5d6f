//! Why interpretation fails.

use std::fmt;

/// Why a program cannot be run or went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterpError {
    /// An access outside its buffer.
    OutOfBounds {
        /// Name of the kernel.
        kernel: String,
        /// Name of the nest, empty outside nests.
        nest: String,
        /// Number and name of the buffer.
        buffer: String,
        /// The word index within the buffer.
        index: i64,
        /// Words of the buffer.
        len: usize,
    },
    /// The program breaks a rule of the loop IR (the verifier says more).
    Invalid {
        /// Name of the kernel.
        kernel: String,
        /// Which rule.
        message: String,
    },
    /// The arena is smaller than the program says, or a buffer does not fit into it.
    Arena(String),
    /// A tensor that is not there or has another shape.
    Tensor(String),
}

impl fmt::Display for InterpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InterpError::OutOfBounds { kernel, nest, buffer, index, len } => {
                write!(f, "kernel {kernel:?}, nest {nest:?}: index {index} of buffer {buffer} with {len} words")
            }
            InterpError::Invalid { kernel, message } => write!(f, "kernel {kernel:?}: {message}"),
            InterpError::Arena(message) | InterpError::Tensor(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for InterpError {}
